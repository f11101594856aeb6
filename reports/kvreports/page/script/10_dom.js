// Making elements. What comes from the run only ever becomes text, never markup.

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The text with control, format and bidi characters spelled out; line ends and tabs stay. */
function spelled(text) {
  return String(text).replace(INVISIBLE, (char) => {
    if (char === "\n" || char === "\t") return char;
    const code = char.codePointAt(0).toString(16);
    if (code.length <= 2) return "\\x" + code.padStart(2, "0");
    return code.length <= 4 ? "\\u" + code.padStart(4, "0") : "\\U" + code.padStart(8, "0");
  });
}

/** An element: attributes by name (a function listens, true and false switch), then children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : spelled(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : spelled(child));
  }
}

/** A part that may be too wide for a phone: it scrolls by itself, by keyboard too. */
function scrolling(name, ...children) {
  const region = { class: "scroll", tabindex: 0, role: "group", "aria-label": name };
  return make("div", region, ...children);
}

/** Positions 0 to length - 1, those that are dull and far from all that is of interest left out. */
function folded(length, interesting, limit, ends = 4, near = 6) {
  const shown = new Set();
  if (length <= limit) for (let at = 0; at < length; at++) shown.add(at);
  for (let at = 0; at < ends; at++) shown.add(at).add(length - 1 - at);
  for (const at of interesting) for (let by = -near; by <= near; by++) shown.add(at + by);
  const parts = [];
  for (let at = 0; at < length; ) {
    let stop = at + 1;
    while (!shown.has(at) && stop < length && !shown.has(stop)) stop++;
    parts.push({ start: at, stop, gap: stop - at > 1 ? stop - at : 0 });
    at = stop;
  }
  return parts;
}
