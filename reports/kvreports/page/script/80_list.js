// The list of scenarios, and what it is filtered by: verdict, kind, operation, level and text.

const LISTED = 200;
const FILTERS = ["verdict", "kind", "op", "level", "q"];
const LEVELS = ["returned", "state", "internals"];

/** The scenarios that the state's filters let through. */
function matching(page, state) {
  const terms = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  return page.scenarios.filter(({ record, kinds, operations, said: texts }) => {
    if (state.verdict && record.verdict !== state.verdict) return false;
    if (state.kind && !kinds.includes(state.kind)) return false;
    if (state.op && !operations.includes(state.op)) return false;
    if (state.level && !(record.findings || []).some((finding) => finding.level === state.level)) return false;
    if (!terms.length) return true;
    const text = [record.id, record.about, record.file, ...(texts || [])].join(" ").toLowerCase();
    return terms.every((term) => text.includes(term));
  });
}

function filterBar(page, go) {
  const present = (values) => [...new Set(values)].sort();
  const options = {
    verdict: page.verdicts.map((one) => one.name).filter((name) => page.scenarios.some((one) => one.record.verdict === name)),
    kind: present(page.scenarios.flatMap((one) => one.kinds)),
    op: present(page.scenarios.flatMap((one) => one.operations)),
    level: LEVELS,
  };
  const names = { verdict: "verdict", kind: "kind", op: "operation", level: "level" };
  const controls = Object.entries(options).map(([name, values]) =>
    make(
      "label",
      {},
      make("span", {}, names[name]),
      make(
        "select",
        { name, change: (event) => go({ [name]: event.target.value }) },
        make("option", { value: "" }, "any"),
        values.map((value) => make("option", { value }, value)),
      ),
    ),
  );
  const text = make("input", { type: "search", name: "q", input: (event) => go({ q: event.target.value }) });
  const clear = () => go(Object.fromEntries(FILTERS.map((name) => [name, ""])));
  return make(
    "form",
    { class: "filters", role: "search", submit: (event) => event.preventDefault() },
    make("label", { class: "wide" }, make("span", {}, "text"), text),
    controls,
    make("p", { class: "found" }, make("output", {}), make("button", { type: "button", click: clear }, "show all")),
  );
}

function showFilters(form, state, found, all) {
  for (const name of FILTERS) {
    const field = form.elements[name];
    if (field.value !== state[name]) field.value = state[name];
  }
  form.querySelector("output").textContent =
    found === all ? `${all} scenario${all === 1 ? "" : "s"}` : `${found} of ${all} scenarios`;
  form.querySelector("button").hidden = !FILTERS.some((name) => state[name]);
}

function scenarioList(page, found, chosen, href, limit = LISTED) {
  const at = found.indexOf(chosen);
  const shown = Math.max(limit, at + 50); // some behind the chosen one, for it to stand on top
  const items = found.slice(0, shown).map((entry) => scenarioItem(page, entry, entry === chosen, href));
  const list = make("ul", { class: "scenarios" }, items);
  if (found.length > shown) {
    const unfold = () => list.replaceWith(scenarioList(page, found, chosen, href, Infinity));
    const more = make("button", { type: "button", click: unfold }, `show ${found.length - shown} more`);
    list.append(make("li", {}, more));
  }
  if (!found.length) list.append(make("li", { class: "soft" }, "no scenario matches"));
  return list;
}

function scenarioItem(page, entry, chosen, href) {
  const { record } = entry;
  const calm = page.fails(record.verdict) ? "" : record.verdict === "conform" ? " quiet" : " calm";
  const text = entry.said ? entry.said[0] : record.about || "";
  return make(
    "li",
    {},
    make(
      "a",
      { href: href(entry.key), "aria-current": chosen ? "true" : null },
      make("span", { class: `tag${calm}` }, record.verdict),
      make("span", { class: "id" }, record.id),
      make("span", { class: "soft said" }, text),
    ),
  );
}
