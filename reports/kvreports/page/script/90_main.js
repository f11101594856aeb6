// Puts the page together, and keeps what is chosen in the address: scenario, step, filters.

const EMPTY = { scenario: "", at: null, verdict: "", kind: "", op: "", level: "", q: "" };

document.addEventListener("DOMContentLoaded", () => start().catch(giveUp));

/** Without what the scripts need (an old browser, a damaged file) the list stands in as it would
 * without scripts: the page's own markup, in which all text of the run is escaped. */
function giveUp(error) {
  document.getElementById("app").hidden = true;
  const list = document.getElementById("list");
  list.innerHTML = list.querySelector("noscript").textContent;
  console.error(error);
}

async function load() {
  const packed = document.getElementById("data").textContent;
  const bytes = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  const state = { ...EMPTY };
  for (const name of Object.keys(EMPTY)) if (given.get(name)) state[name] = given.get(name);
  state.at = /^\d+$/.test(state.at || "") ? Number(state.at) : null;
  return state;
}

function address(state) {
  const words = Object.entries(state)
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${name}=${encodeURIComponent(value).replace(/%2F/g, "/").replace(/%3D/g, "=").replace(/%40/g, "@").replace(/%2C/g, ",")}`);
  return "#" + words.join("&");
}

async function start() {
  const page = await load();
  page.meaning = (verdict) => page.verdicts.find((one) => one.name === verdict).meaning;
  page.fails = (verdict) => page.verdicts.find((one) => one.name === verdict).fails;
  const app = document.getElementById("app");
  let state = readState();
  let shown = null;

  const go = (changes) => {
    const next = { ...state, ...changes };
    if (FILTERS.some((name) => name in changes)) Object.assign(next, { scenario: "", at: null });
    history.replaceState(null, "", address(next));
    update();
  };
  page.href = (key) => address({ ...state, scenario: key, at: null });
  const form = filterBar(page, go);
  const master = make("div", { class: "master" }, make("h2", {}, "Scenarios"), form);
  const list = make("nav", { class: "list", "aria-label": "Scenarios" });
  const detail = make("div", { class: "detail" });
  master.append(list);
  app.append(master, detail);

  function update() {
    const before = state;
    state = readState();
    const found = matching(page, state);
    const entry = chosen(page, state, found);
    showFilters(form, state, found.length, page.scenarios.length);
    const same = FILTERS.every((name) => before[name] === state[name]);
    if (shown === null || !same || entry !== shown) {
      list.replaceChildren(scenarioList(page, found, entry, page.href));
      showInside(list, list.querySelector("[aria-current]"));
    }
    showDetail(entry);
  }

  function showDetail(entry) {
    if (entry === shown && detail.firstChild) {
      const walk = detail.querySelector(".walk");
      if (walk) walk.dispatchEvent(new Event("step"));
      return;
    }
    const changed = shown !== null || state.scenario !== "";
    shown = entry;
    const href = (at) => address({ ...state, scenario: entry.key, at });
    detail.replaceChildren(entry ? drawScenario(page, entry, () => state, href, go) : nothing(state));
    if (changed && entry && state.scenario) reveal(detail);
  }

  window.addEventListener("hashchange", update);
  document.addEventListener("keydown", (event) => stepByKey(event, shown, state, go));
  window.addEventListener("beforeprint", () => {
    for (const part of detail.querySelectorAll("details:not(.legend)")) part.open = true;
  });
  app.hidden = false;
  update();
  performance.mark("drawn");
}

/** The scenario that the address names; else the smallest of those that fail, or the first found. */
function chosen(page, state, found) {
  if (state.scenario) return page.scenarios.find((entry) => entry.key === state.scenario) || null;
  if (FILTERS.some((name) => state[name])) return found[0] || null;
  const first = found.find((entry) => entry.key === page.start) || found[0];
  return first && first.said ? first : null;
}

function nothing(state) {
  const text = state.scenario
    ? `No scenario on this page is called ${state.scenario}.`
    : "Choose a scenario to see its steps.";
  return make("p", { class: "soft" }, text);
}

/** Scroll a part so far that one of its children is in sight; the page itself stays. */
function showInside(part, child) {
  if (!child) return;
  const [outer, inner] = [part, child].map((one) => one.getBoundingClientRect());
  if (inner.top < outer.top || inner.bottom > outer.bottom) part.scrollTop += inner.top - outer.top;
}

function reveal(detail) {
  const { top } = detail.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) detail.scrollIntoView();
}

function stepByKey(event, entry, state, go) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const modified = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
  if (!by || !entry || modified || event.target.closest("input, select, textarea, pre")) return;
  const region = event.target.closest(".scroll");
  if (region && region.scrollWidth > region.clientWidth) return;
  const ops = entry.record.ops || [];
  const next = ops[ops.indexOf(chosenOp(entry.record, state.at)) + by];
  if (!next) return;
  event.preventDefault();
  go({ scenario: entry.key, at: next.index });
}
