// What the run file calls a value: in words, as rows of slots, as rows of a mask, taken apart.

const UNWRITTEN = "·";

function isArray(value) {
  return value !== null && typeof value === "object" && "array" in value;
}

function isList(value) {
  return value !== null && typeof value === "object" && "items" in value;
}

function isRaised(value) {
  return value !== null && typeof value === "object" && "raised" in value;
}

/** Type and shape, such as `float16 [1, 2, 6, 4]`. */
function form(array) {
  const quantized = array.array === "quantized" ? "quantized " : "";
  return `${quantized}${array.dtype} [${array.shape.join(", ")}]`;
}

function words(value) {
  if (value === null) return "nothing";
  if (value === undefined) return "not there";
  if (isRaised(value)) return `raised ${value.raised}: ${value.message}`;
  if (isList(value)) return `[${value.items.map(words).join(", ")}]`;
  if (!isArray(value)) return String(value);
  if (value.array === "mask") return value.rows.join(" ") || "an empty mask";
  if (value.array !== "numbers") return value.rows.map((row) => `[${row.join(", ")}]`).join(" ");
  const size = value.shape.reduce((product, length) => product * length, 1);
  const more = size > value.numbers.length ? ", …" : "";
  if (size <= 16 && value.shape.length === 1) return `[${value.numbers.join(", ")}]`;
  return `${form(value)} ${value.numbers.join(", ")}${more}`;
}

/** The slots of an array of tokens, or of tokens that a scenario pins; null for other values. */
function tokenRows(value) {
  if (isArray(value)) return value.array === "tokens" || value.array === "quantized" ? value.rows : null;
  if (!isList(value) || !value.items.length) return null;
  const rows = value.items.map((item) => (isList(item) ? item.items : null));
  const plain = (cell) => typeof cell === "number" || typeof cell === "string";
  return rows.every((row) => row && row.every(plain)) ? rows : null;
}

/** The lines of a mask, or of one that a scenario pins; null for other values. */
function maskRows(value) {
  if (isArray(value)) return value.array === "mask" ? value.rows : null;
  if (!isList(value) || !value.items.length) return null;
  return value.items.every((item) => /^[x.]+$/.test(item)) ? value.items : null;
}

/** What two sides have of one thing: keys and values, or an arrays cache's slots, one by one. */
function leaves(name, left, right) {
  const holds = (value) => isList(value) && value.items.some(isArray);
  if (!holds(left) && !holds(right)) return [[name, left, right]];
  const [mine, theirs] = [left, right].map((value) => (isList(value) ? value.items : []));
  if (mine.length !== theirs.length) return [[name, left, right]];
  const pair = mine.length === 2 && name !== "slots";
  const part = (index) => (pair ? ["keys", "values"][index] : `part ${index}`);
  return mine.map((item, index) => [`${name} ${part(index)}`, item, theirs[index]]);
}

/** Whether two values differ. What one side lacks is not compared; two errors are alike. */
function differs(left, right) {
  if (left === undefined || right === undefined) return false;
  if (isRaised(left) && isRaised(right)) return false;
  return JSON.stringify(left) !== JSON.stringify(right);
}

/** The names and values of what two sides hold of one cache, in the order of comparison. */
function fieldPairs(mine, theirs) {
  const names = new Set([...Object.keys(mine.fields), ...Object.keys(theirs.fields)]);
  return [...names].map((name) => [name, mine.fields[name], theirs.fields[name]]);
}

/** Whether anything of an operation differs between the sides. */
function operationDiffers(op) {
  const { subject, reference } = op;
  if (!subject || !reference) return true;
  const aside = subject.aside || reference.aside;
  if (!aside && !subject.raised !== !reference.raised) return true;
  if (!aside && !subject.raised && differs(subject.returned, reference.returned)) return true;
  const names = new Set([...Object.keys(subject.caches), ...Object.keys(reference.caches)]);
  return [...names].some((name) => {
    const [mine, theirs] = [subject.caches[name], reference.caches[name]];
    if (!mine || !theirs || mine.kind !== theirs.kind) return true;
    return fieldPairs(mine, theirs).some(([, left, right]) => differs(left, right));
  });
}
