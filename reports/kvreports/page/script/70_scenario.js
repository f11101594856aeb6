// A scenario's part of the page: what went wrong, the steps, one of them drawn, why, what to take.

const FINDINGS_SHOWN = 20;

/** The part of one scenario, at the operation that the state names or the first that differs. */
function drawScenario(page, entry, state, href, go) {
  const record = entry.record;
  const findings = record.findings || [];
  const calm = !page.fails(record.verdict);
  const part = make("article", { class: "scenario", "aria-labelledby": "title" });
  add(part, [
    make("h2", { id: "title", tabindex: -1 }, make("span", { class: calm ? "tag calm" : "tag" }, record.verdict), " ", record.id),
    lead(page, entry),
    reasons(findings),
    record.about && make("p", {}, record.about),
    make("p", { class: "soft" }, record.file, record.line && `:${record.line}`, record.source && `, from ${record.source}`),
    walk(entry, state, href, go),
    findings.length > 0 && why(entry, href, page),
    findings.length > 0 && take(page, record, () => link(record, state(), href)),
  ]);
  return part;
}

function lead(page, entry) {
  const [finding] = entry.record.findings || [];
  if (!finding) return make("p", { class: "lead" }, page.meaning(entry.record.verdict), ".");
  const cache = finding.cache && finding.cache !== "cache" && !finding.op.endsWith(` on ${finding.cache}`);
  const where = `Step ${finding.step}, ${finding.op}${cache ? `, cache ${finding.cache}` : ""}: `;
  return make("p", { class: "lead" }, make("b", {}, where), entry.said[0]);
}

/** Why the ledger declares what is declared, each entry once. */
function reasons(findings) {
  const declared = new Map(findings.filter((one) => one.reason).map((one) => [one.declared, one]));
  return [...declared.values()].map((one) =>
    make("p", { class: "note" }, make("b", {}, `Declared as ${one.declared} (${one.why}): `), one.reason),
  );
}

/** The operation to show: the one asked for, or that of the first finding, or the last recorded. */
function chosenOp(record, at) {
  const ops = record.ops || [];
  const [finding] = record.findings || [];
  const wanted = at === null ? finding && finding.index : at;
  return ops.find((op) => op.index === wanted) || ops[ops.length - 1] || null;
}

/** The whole address of the step that is shown. */
function link(record, state, href) {
  const op = chosenOp(record, state.at);
  return location.href.split("#")[0] + href(op && op.index);
}

function walk(entry, state, href, go) {
  const record = entry.record;
  const whole = make("div", { class: "walk" });
  const redraw = () => {
    const chosen = chosenOp(record, state().at);
    const side = make("nav", { class: "side", "aria-label": "Steps" }, make("h3", {}, "Steps"), stepList(record, chosen, href, redraw));
    const focused = whole.contains(document.activeElement) ? document.activeElement : null;
    const name = focused && focused.getAttribute("aria-label");
    const inSide = focused && focused.closest(".side");
    whole.replaceChildren(side);
    if (chosen) add(whole, [stage(record, chosen, go, entry)]);
    if (whole.isConnected) showInside(side.querySelector(".steps"), side.querySelector("[aria-current]"));
    if (inSide) whole.querySelector(".side [aria-current]")?.focus();
    else if (name) [...whole.querySelectorAll(".moves button")].find((one) => one.ariaLabel === name)?.focus();
  };
  whole.addEventListener("step", redraw);
  redraw();
  requestAnimationFrame(() => showInside(whole.querySelector(".steps"), whole.querySelector(".side [aria-current]")));
  return whole;
}

function stage(record, chosen, go, entry) {
  const at = record.ops.indexOf(chosen);
  const here = (record.findings || []).map((finding, i) => ({ finding, said: entry.said[i] }))
    .filter(({ finding }) => finding.index === chosen.index);
  const more = here.filter(({ finding }) => finding !== record.findings[0]);
  const move = (by, label) => {
    const next = record.ops[at + by];
    return make("button", { type: "button", disabled: !next, click: () => go({ scenario: entry.key, at: next.index }), "aria-label": by < 0 ? "step before" : "step after" }, label);
  };
  return make(
    "section",
    { class: "stage", "aria-label": "The chosen step" },
    make(
      "div",
      { class: "stepper" },
      make("h3", { "aria-live": "polite" }, `Step ${chosen.step} `, make("code", {}, chosen.label)),
      make("span", { class: "moves" }, move(-1, "←"), move(1, "→")),
    ),
    make("p", { class: "soft" }, `operation ${chosen.index + 1} of ${record.ops_total}; the arrow keys step`),
    more.slice(0, FINDINGS_SHOWN).map(({ finding, said: text }) =>
      make("p", { class: finding.declared ? "note" : "wrong" }, make("b", {}, finding.declared ? "declared: " : "≠ "), text),
    ),
    drawOperation(chosen, record.ops[at - 1], here.map(({ finding }) => finding)),
    legend(),
  );
}

const LEGEND = [
  ["7", "token", "token 7"],
  ["7", "token differs", "with ≠ below: the sides differ"],
  ["7", "token fresh", "written by this step"],
  ["►7", "token cursor", "the cursor: the next write goes here"],
  ["7", "token keep", "pinned, under “keep”"],
  ["·", "unwritten", "held, never written"],
  ["_", "spare", "allocated, not held"],
  ["·", "token padding", "left padding, under “pad”"],
  ["-", "missing", "no such slot"],
  ["v7", "odd", "a value where a key belongs (k7: the reverse)"],
  ["7*", "odd", "token 7, lanes in the wrong places"],
  ["?", "odd", "what no token was painted as"],
];

function legend() {
  const items = LEGEND.map(([text, kind, meaning]) =>
    make("li", {}, make("span", { class: `slot ${kind}` }, text), " ", meaning),
  );
  return make(
    "details",
    { class: "legend" },
    make("summary", {}, "How to read the strips"),
    make("p", {}, "A strip is one batch row of keys or values: token ids in the order in which they lie in memory."),
    make("ul", {}, items),
  );
}

/** Of failures that look alike only the smallest is explained: where that is. */
function likeIt(entry, page) {
  if (!entry.like || entry.alike < 2) return null;
  const smallest = page.scenarios.find((one) => one.key === entry.like);
  if (smallest === entry) return make("p", {}, `The smallest of ${entry.alike} that fail like this.`);
  const link = make("a", { href: page.href(smallest.key) }, smallest.record.id);
  const lines = (smallest.record.trace || []).length ? ", with the lines that the reference ran" : "";
  return make("p", {}, `${entry.alike} scenarios fail like this. The smallest of them${lines}: `, link, ".");
}

function why(entry, href, page) {
  const { findings, trace = [], eras = [] } = entry.record;
  const list = findings.slice(0, FINDINGS_SHOWN).map((finding, i) =>
    make(
      "li",
      {},
      make("a", { href: href(finding.index) }, `step ${finding.step}, ${finding.op}`),
      `: ${entry.said[i]} `,
      make("small", {}, `(${finding.level}${finding.declared ? `, declared: ${finding.declared}` : ""})`),
    ),
  );
  if (findings.length > FINDINGS_SHOWN) list.push(make("li", {}, `and ${findings.length - FINDINGS_SHOWN} more`));
  const parts = [
    likeIt(entry, page),
    findings.length > 1 && [make("h4", {}, "All that does not hold"), make("ul", {}, list)],
    trace.length > 0 && traced(trace),
    eras.length > 0 && eraTable(eras),
  ].flat(2).filter(Boolean);
  return parts.length > 0 && make("section", { class: "why" }, make("h3", {}, "Why"), parts);
}

function traced(lines) {
  const rows = lines.map((line, i) => {
    const jump = i > 0 && (line.file !== lines[i - 1].file || line.line < lines[i - 1].line);
    const where = `${line.file}:${line.line}`;
    return make("tr", { class: jump && "jump" }, make("th", { scope: "row" }, where), make("td", {}, line.text));
  });
  return make(
    "details",
    { open: lines.length <= 30 },
    make("summary", {}, `The ${lines.length} lines that the reference ran in it`),
    scrolling("lines that the reference ran", make("table", { class: "trace" }, make("tbody", {}, rows))),
  );
}

function eraTable(eras) {
  const releases = eras.flatMap((era) => era.releases);
  const span = `${releases[0]} … ${releases[releases.length - 1]}`;
  const title = make("h4", {}, "At the releases of mlx-lm");
  if (eras.length === 1) return [title, make("p", {}, `The same at all ${releases.length} that were at hand, ${span}.`)];
  const rows = eras.map((era) => {
    const [first, last] = [era.releases[0], era.releases[era.releases.length - 1]];
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, era.letter),
      make("td", {}, first === last ? first : `${first} … ${last}`),
      make("td", {}, era.change || ""),
    );
  });
  const head = ["behaviour", "mlx-lm", "what changed"].map((text) => make("th", { scope: "col" }, text));
  return [
    title,
    make("p", { class: "soft" }, "The same letter: the same behaviour. - : the releases lack what it needs."),
    scrolling("releases", make("table", { class: "plain" }, make("thead", {}, make("tr", {}, head)), make("tbody", {}, rows))),
  ];
}
