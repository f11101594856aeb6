// The steps of a scenario down the side: each recorded operation a link, what is far off folded.

const STEPS_SHOWN = 14;
const OPS_SHOWN = 16;

/** The list of steps. `href` gives the address of an operation. */
function stepList(record, chosen, href, redraw) {
  const byStep = new Map();
  for (const op of record.ops || []) byStep.set(op.step, [...(byStep.get(op.step) || []), op]);
  const found = new Set((record.findings || []).map((finding) => finding.index));
  const here = (byStep.get(chosen && chosen.step) || []).length ? chosen.step : 1;
  const first = (record.findings || []).map((finding) => finding.step);
  const interesting = [here - 1, ...first.slice(0, 2).map((step) => step - 1)];
  const limit = redraw.unfolded ? Infinity : STEPS_SHOWN;
  const items = folded(record.steps.length, interesting, limit, 1, 4).map((part) => {
    if (part.gap) return make("li", { class: "gap" }, more(part.gap, "steps", redraw));
    const ops = byStep.get(part.start + 1) || [];
    return stepItem(part.start + 1, record.steps[part.start], ops, { chosen, href, found, redraw });
  });
  return make("ol", { class: "steps" }, items);
}

function more(count, what, redraw) {
  const unfold = () => {
    redraw.unfolded = true;
    redraw();
  };
  return make("button", { type: "button", click: unfold }, `${count} more ${what}`);
}

function stepItem(number, label, ops, { chosen, href, found, redraw }) {
  const current = chosen && chosen.step === number;
  const name = [make("span", { class: "number" }, number), make("code", {}, label)];
  const bad = ops.some((op) => found.has(op.index)) ? "found" : ops.some(operationDiffers) ? "bad" : "";
  const sign = bad && make("span", { class: "sign", title: bad === "found" ? "what does not hold" : "differs" }, "≠");
  if (ops.length < 2) {
    const [op] = ops;
    const inside = op
      ? make("a", { href: href(op.index), "aria-current": current ? "step" : null }, name, sign)
      : make("span", { class: "dull", title: "not recorded: too far from what differs" }, name);
    return make("li", { class: bad }, inside);
  }
  const at = ops.findIndex((op) => op === chosen);
  const wanted = [at, ops.findIndex((op) => found.has(op.index))].filter((index) => index >= 0);
  const limit = redraw.unfolded ? Infinity : OPS_SHOWN;
  const chips = folded(ops.length, wanted, limit, 1, 3).map((part) => {
    if (part.gap) return more(part.gap, "", redraw);
    const op = ops[part.start];
    const short = op.label.replace(/^\S+ /, "").replace(/ on \S+$/, "");
    const differs = operationDiffers(op);
    const link = { href: href(op.index), "aria-current": op === chosen ? "step" : null };
    return make("a", { ...link, class: differs && "bad", title: op.label }, short, differs && "≠");
  });
  return make("li", { class: bad }, make("span", { class: "whole" }, name, sign), make("span", { class: "chips" }, chips));
}
