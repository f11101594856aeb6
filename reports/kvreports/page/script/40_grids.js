// Masks as grids: a row a query, a column a key, a grid for each batch row and side.

const GRID_LIMIT = 40;

/** The grids of a mask on both sides, one beside the other, or one where they are the same. */
function grids(heading, left, right, labels) {
  const [mine, theirs] = [maskRows(left), maskRows(right)];
  const size = Math.max(queriesOf(left), queriesOf(right), 1);
  const count = Math.max(1, Math.ceil(Math.max(mine.length, theirs.length) / size));
  const drawn = [];
  for (let row = 0; row < count; row++) {
    const cut = (lines) => lines.slice(row * size, (row + 1) * size);
    drawn.push(grid(count > 1 ? `${heading}, batch row ${row}` : heading, cut(mine), cut(theirs), labels));
  }
  return drawn;
}

function queriesOf(mask) {
  return isArray(mask) && mask.shape.length === 4 ? mask.shape[2] : maskRows(mask).length;
}

function grid(heading, mine, theirs, labels, limit = GRID_LIMIT) {
  const height = Math.max(mine.length, theirs.length);
  const width = Math.max(0, ...mine.map((line) => line.length), ...theirs.map((line) => line.length));
  const wrong = new Set();
  const [rows, keys] = [new Set(), new Set()];
  for (let query = 0; query < height; query++) {
    for (let key = 0; key < width; key++) {
      if ((mine[query] || "")[key] === (theirs[query] || "")[key]) continue;
      wrong.add(`${query},${key}`);
      if (rows.size < 4) rows.add(query);
      if (keys.size < 4) keys.add(key);
    }
  }
  const columns = folded(width, keys, limit);
  const queries = folded(height, rows, limit);
  const whole = make("figure", { class: "grid" });
  const unfold = () => whole.replaceWith(grid(heading, mine, theirs, labels, Infinity));
  const sides = wrong.size ? [[labels[0], mine], [labels[1], theirs]] : [["both", mine]];
  add(whole, [
    make("figcaption", {}, heading, make("small", {}, " x attends, . is masked; a row a query, a column a key")),
    make("div", { class: "pair" }, sides.map(([label, lines]) => gridTable(`${heading}, ${label}`, label, lines, { columns, queries, wrong, unfold }))),
  ]);
  return whole;
}

function gridTable(name, label, lines, { columns, queries, wrong, unfold }) {
  const more = (part) =>
    make("button", { type: "button", click: unfold, "aria-label": `show ${part.gap} more` }, `+${part.gap}`);
  const heads = columns.map((column) =>
    column.gap ? make("td", { class: "gap" }, more(column)) : make("th", { scope: "col" }, column.start),
  );
  const body = queries.map((query) => {
    if (query.gap) return make("tr", {}, make("td", { class: "gap" }, more(query)));
    const line = lines[query.start] || "";
    const cells = columns.map((column) => {
      if (column.gap) return make("td", { class: "gap" }, "…");
      const entry = line[column.start] || "-";
      const kind = { x: "attends", ".": "masked" }[entry] || "missing";
      const bad = wrong.has(`${query.start},${column.start}`) ? " differs" : "";
      return make("td", { class: `slot ${kind}${bad}` }, entry);
    });
    return make("tr", {}, make("th", { scope: "row" }, query.start), cells);
  });
  const table = make(
    "table",
    {},
    make("caption", {}, label),
    make("thead", {}, make("tr", {}, make("td", {}), heads)),
    make("tbody", {}, body),
  );
  return scrolling(name, table);
}
