// Keys and values as strips of slots: a table for each batch row, a column a slot in physical
// order, a line a side. Kinds of slots are told apart by border, pattern and label.

const SPARE_DRAWN = 16;
const STRIP_LIMIT = 40;

/** What a cache says of its buffer: pinned slots, cursor, padding of each row, rows allocated. */
function ringOf(view) {
  const { keep, idx, left_padding: padding, rotated, buffer_shape: shape } = view.fields;
  const cached = view.kind !== "arrays";
  return {
    keep: typeof keep === "number" ? keep : 0,
    cursor: typeof idx === "number" ? idx : null,
    padding: cached && isArray(padding) ? padding.numbers : [],
    rotated: rotated === true,
    allocated: isList(shape) && shape.items.length === 4 ? shape.items[2] : 0,
  };
}

const NO_RING = { keep: 0, cursor: null, padding: [], rotated: false, allocated: 0 };

/** What kind of slot this is: padding, keep, spare, or one like any other. */
function zone(ring, row, slot, held) {
  if (slot >= held) return slot < Math.max(held, ring.allocated) ? "spare" : "";
  const first = ring.rotated && ring.cursor !== null ? ring.cursor : 0;
  if ((slot - first + held) % held < (ring.padding[row] || 0)) return "padding";
  return slot < ring.keep ? "keep" : "";
}

const ZONES = {
  padding: "left padding: masked, belongs to no token of this row",
  keep: "pinned: never overwritten",
  spare: "allocated, not held",
};

function slotText(cell, place) {
  if (cell !== undefined) return String(cell);
  return place === "spare" ? "_" : "-";
}

function slotClasses(cell, place) {
  if (cell === undefined) return place || "missing";
  const kind = cell === UNWRITTEN ? "unwritten" : typeof cell === "number" ? "token" : "odd";
  return `${kind} ${place}`;
}

/** A side of a strip: its label, the row's slots, their digests, the ring, the slots before. */
function stripSide(label, value, row, ring, before) {
  const rows = tokenRows(value) || [];
  const at = rows.length === 1 ? 0 : row;
  const was = before === undefined ? null : tokenRows(before);
  return {
    label,
    ring,
    row,
    cells: rows[at] || [],
    digests: (isArray(value) && value.digests && value.digests[at]) || null,
    before: was === null ? null : was[at] || [],
  };
}

function slotsDiffer(mine, theirs, slot) {
  if (mine.cells[slot] !== theirs.cells[slot]) return true;
  return !!mine.digests && !!theirs.digests && mine.digests[slot] !== theirs.digests[slot];
}

/** The strip of one batch row. `place` marks a slot whose tokens read alike though it differs. */
function strip(heading, mine, theirs, place, limit = STRIP_LIMIT) {
  const sides = [mine, theirs];
  const spare = sides.map((side) => Math.max(0, side.ring.allocated - side.cells.length));
  const drawn = spare.map((count) => (count <= SPARE_DRAWN ? count : 0));
  const length = Math.max(...sides.map((side, i) => side.cells.length + drawn[i]));
  const wrong = new Set();
  for (let slot = 0; slot < length; slot++) if (slotsDiffer(mine, theirs, slot)) wrong.add(slot);
  if (!wrong.size && place !== undefined) wrong.add(place);
  const cursors = sides.map((side) => side.ring.cursor);
  const interesting = [...[...wrong].slice(0, 4), ...cursors.filter((at) => at !== null)];
  const columns = folded(length, interesting, limit);
  const zones = sides.map((side) => columns.map((column) => zone(side.ring, side.row, column.start, side.cells.length)));
  const alike = !wrong.size && cursors[0] === cursors[1] && String(zones[0]) === String(zones[1]);
  const lines = alike ? [{ ...mine, label: "both" }] : sides;
  const behind = lines.some((side) => side.ring.cursor !== null && side.ring.cursor >= length);
  const over = lines.some((side, i) => spare[i] > drawn[i]);
  const whole = make("figure", { class: "strip" });
  const unfold = () => {
    const full = strip(heading, mine, theirs, place, Infinity);
    whole.replaceWith(full);
    full.querySelector(".scroll").focus();
  };
  const table = make(
    "table",
    {},
    make("caption", {}, heading),
    make("thead", {}, bands(lines, columns, length), numbers(columns, unfold, behind, over)),
    make(
      "tbody",
      {},
      lines.map((side, i) => stripLine(side, columns, wrong, length, behind, over ? spare[i] : 0)),
      wrong.size > 0 && marks(columns, wrong),
    ),
  );
  if (!length) table.append(make("tbody", {}, make("tr", {}, make("td", { class: "gap" }, "no slots"))));
  whole.append(scrolling(heading, table));
  return whole;
}

function numbers(columns, unfold, behind, over) {
  const heads = columns.map((column) =>
    column.gap
      ? make("td", { class: "gap" }, make("button", { type: "button", click: unfold, "aria-label": `show ${column.gap} more slots` }, `+${column.gap}`))
      : make("th", { scope: "col" }, column.start),
  );
  return make("tr", {}, make("td", { class: "corner" }, "slot"), heads, behind && make("td", { class: "gap" }), over && make("td", { class: "gap" }));
}

function bands(lines, columns, length) {
  const zones = lines.map((side) =>
    columns.map((column) => zone(side.ring, side.row, column.start, side.cells.length)),
  );
  const different = zones.filter((row, i) => i === 0 || String(row) !== String(zones[0]));
  const told = different.filter((row) => row.some(Boolean));
  return told.map((row) => {
    const cells = [];
    for (let at = 0; at < row.length; ) {
      let stop = at + 1;
      while (stop < row.length && row[stop] === row[at]) stop++;
      cells.push(make("td", { class: `band ${row[at]}`, colspan: stop - at, title: ZONES[row[at]] }, row[at] === "padding" ? "pad" : row[at]));
      at = stop;
    }
    const alike = zones.every((other) => String(other) === String(row));
    const whose = alike ? "" : lines[zones.indexOf(row)].label;
    return make("tr", { class: "bands" }, make("td", { class: "corner" }, whose), cells);
  });
}

function stripLine(side, columns, wrong, length, behind, spare) {
  const fresh = freshSlots(side);
  const cells = columns.map((column) => {
    if (column.gap) return make("td", { class: "gap" }, "…");
    const slot = column.start;
    const [cell, place] = [side.cells[slot], zone(side.ring, side.row, slot, side.cells.length)];
    const classes = ["slot", slotClasses(cell, place)];
    if (wrong.has(slot)) classes.push("differs");
    if (fresh.has(slot)) classes.push("fresh");
    const cursor = slot === side.ring.cursor;
    if (cursor) classes.push("cursor");
    return make("td", { class: classes.join(" ") }, cursor && cursorSign(), slotText(cell, place));
  });
  const end = side.ring.cursor !== null && side.ring.cursor >= length;
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, side.label),
    cells,
    behind && make("td", { class: end ? "slot end cursor" : "gap" }, end && cursorSign()),
    spare > 0 && make("td", { class: "slot spare", title: ZONES.spare }, `+${spare}`),
  );
}

/** The slots that this operation wrote; none where it wrote them all. */
function freshSlots(side) {
  const slots = side.cells.map((_, slot) => slot);
  const written = side.before ? slots.filter((slot) => side.before[slot] !== side.cells[slot]) : [];
  return new Set(written.length < slots.length ? written : []);
}

function cursorSign() {
  return make("i", { class: "at", title: "the cursor (idx): the next write goes here" }, "►");
}

function marks(columns, wrong) {
  const cells = columns.map((column) => make("td", {}, !column.gap && wrong.has(column.start) && "≠"));
  return make("tr", { class: "marks", "aria-hidden": "true" }, make("td", {}), cells);
}
