// One operation on both sides: what it gave back, and every cache after it.

const LABELS = ["subject", "reference"];

/** Everything of an operation. `before` is the operation before it, where that was recorded. */
function drawOperation(op, before, findings) {
  const parts = [outcome(op, findings)];
  const [mine, theirs] = [op.subject, op.reference].map((side) => (side ? side.caches : {}));
  const names = [...new Set([...Object.keys(mine), ...Object.keys(theirs)])];
  for (const name of names) {
    const previous = [before && before.subject, before && before.reference].map(
      (side) => (side && side.caches[name]) || null,
    );
    parts.push(cache(name, op, mine[name], theirs[name], previous, findings, names.length));
  }
  parts.push(layouts(findings));
  const pinned = pins(findings);
  if (!operationDiffers(op) || !pinned.length) return [pinned, parts];
  const also = `What is pinned here does not hold either (${pinned.length})`;
  return [parts, make("details", { class: "agrees" }, make("summary", {}, also), pinned)];
}

/** What the scenario pins here, or what had been handed out, against what was found. */
function pins(findings) {
  return findings
    .filter((finding) => finding.what === "fact" || finding.what === "promise")
    .map((finding) => {
      const actual = finding.side === "subject" ? finding.subject : finding.reference;
      const labels = [finding.what === "fact" ? "pinned" : "before", finding.side];
      const title = finding.what === "fact" ? "What the scenario pins" : "What was promised";
      return section(title, pair(finding.field, finding.expected, actual, { labels }));
    });
}

/** How a file, or a cache's state, is laid out otherwise: the lines that differ. */
function layouts(findings) {
  return findings
    .filter((finding) => finding.field === "layout" && finding.what === "difference")
    .map(({ cache: name, subject, reference }) => {
      const [mine, theirs] = [subject, reference].map((value) => (value && value.items) || [value]);
      const longer = mine.length < theirs.length ? theirs : mine;
      const rows = longer.map((_, at) => [`part ${at}`, words(mine[at]), words(theirs[at]), true]);
      const differing = rows.filter(([, left, right]) => left !== right);
      return section([`${name} `, make("small", {}, "is laid out otherwise")], facts(differing, LABELS));
    });
}

function section(title, ...parts) {
  return make("section", { class: "part" }, make("h4", {}, title), ...parts);
}

function outcome(op, findings) {
  const { subject, reference } = op;
  const aside = [[subject, "subject"], [reference, "reference"]].find(([side]) => side && side.aside);
  if (aside) {
    return make("p", { class: "note" }, `${aside[1]}, aside and on a copy: ${said(aside[0])}`);
  }
  const simple = !subject || !reference || subject.raised || reference.raised;
  if (simple) {
    const bad = !subject || !reference || !subject.raised !== !reference.raised;
    return section("Outcome", facts([["outcome", said(subject), said(reference), bad]], LABELS));
  }
  const finding = findings.find((one) => one.field === "returned" && one.what === "difference");
  const drawn = pair("returned", subject.returned, reference.returned, { place: finding && finding.place });
  if (differs(subject.returned, reference.returned)) return section("Returned", drawn);
  if (subject.returned === null) return null;
  return make("details", { class: "agrees" }, make("summary", {}, "Returned: the same on both sides"), drawn);
}

function said(side) {
  if (!side) return "not played";
  return side.raised ? words(side.raised) : `returned ${words(side.returned)}`;
}

function cache(name, op, mine, theirs, before, findings, count) {
  if (!mine || !theirs) return loneCache(name, op, mine, theirs, before);
  const kinds = [...new Set([mine.kind, theirs.kind])].join(" against ");
  const pairs = fieldPairs(mine, theirs);
  const bad = mine.kind !== theirs.kind || pairs.some(([, left, right]) => differs(left, right));
  const drawn = cacheParts(pairs, [ringOf(mine), ringOf(theirs)], before, findings.filter((one) => one.cache === name));
  const title = [`${name} `, make("small", {}, `(${kinds}) after it`)];
  if (bad || count <= 2) return section(title, drawn);
  return make("details", { class: "agrees" }, make("summary", {}, title, ": the same on both sides"), drawn);
}

/** A cache that one side alone has, or that was seen on one side alone. */
function loneCache(name, op, mine, theirs, before) {
  const view = mine || theirs;
  const both = op.subject && op.reference;
  const there = [mine, theirs].map((one) => (one ? "there" : "not there"));
  const ring = ringOf(view);
  return section(
    [`${name} `, make("small", {}, `(${view.kind}), ${mine ? "subject" : "reference"} alone`)],
    both && facts([["cache", ...there, true]], LABELS),
    cacheParts(fieldPairs(view, view), [ring, ring], before, []),
  );
}

function cacheParts(pairs, rings, before, findings) {
  const drawn = { strips: [], rest: [], facts: [] };
  for (const [field, left, right] of pairs) {
    const held = ["keys", "values"].includes(field);
    const was = before.map((view) => (held && view ? view.fields[field] : undefined));
    const finding = findings.find((one) => one.field === field && one.what === "difference");
    const extra = { rings: held ? rings : undefined, before: was, place: finding && finding.place };
    collect(drawn, field, left, right, { labels: LABELS, ...extra });
  }
  return laidOut(drawn, LABELS);
}

/** One value of both sides, drawn. */
function pair(name, left, right, options = {}) {
  const drawn = { strips: [], rest: [], facts: [] };
  const labels = options.labels || LABELS;
  collect(drawn, name, left, right, { ...options, labels });
  return laidOut(drawn, labels);
}

function laidOut(drawn, labels) {
  // Where the tokens show what differs, the place of the first different number adds nothing.
  if (drawn.strips.some(({ mine, theirs }) => differs(mine, theirs))) {
    for (const one of drawn.strips) one.place = undefined;
  }
  return [merged(drawn.strips), drawn.rest, drawn.facts.length > 0 && facts(drawn.facts, labels)];
}

function collect(drawn, field, left, right, options) {
  for (const [name, mine, theirs] of leaves(field, left, right)) {
    if (tokenRows(mine) && tokenRows(theirs)) {
      drawn.strips.push({ name, mine, theirs, ...options });
      if (isArray(mine) && isArray(theirs) && form(mine) !== form(theirs)) {
        drawn.facts.push([name, form(mine), form(theirs), true]);
      }
      drawn.facts.push(...packedFacts(name, mine, theirs));
    } else if (maskRows(mine) && maskRows(theirs)) {
      drawn.rest.push(grids(name, mine, theirs, options.labels));
    } else {
      drawn.facts.push([name, ...inWords(mine, theirs), differs(mine, theirs)]);
    }
  }
}

/** Two values in words; where these read alike and the values are not, with what tells them apart. */
function inWords(mine, theirs) {
  const texts = [words(mine), words(theirs)];
  if (texts[0] !== texts[1] || !differs(mine, theirs)) return texts;
  return [mine, theirs].map((value) => {
    if (!isArray(value)) return JSON.stringify(value);
    const digest = value.sha256 ? `, sha256 ${value.sha256.slice(0, 12)}` : "";
    return `${form(value)} ${words(value)}${digest}`;
  });
}

/** The first slot that holds the same token in other packed numbers: the digests of both. */
function packedFacts(name, mine, theirs) {
  if (!mine.digests || !theirs.digests) return [];
  for (const [row, tokens] of mine.rows.entries()) {
    for (const [slot, token] of tokens.entries()) {
      const [left, right] = [mine, theirs].map((side) => (side.digests[row] || [])[slot]);
      if (left === right || token !== (theirs.rows[row] || [])[slot]) continue;
      return [[`${name}, row ${row}, slot ${slot}: digest of its numbers`, left, String(right), true]];
    }
  }
  return [];
}

/** The strips of keys and values, drawn once where they hold the same tokens. */
function merged(strips) {
  const slots = ({ mine, theirs }) => JSON.stringify([tokenRows(mine), tokenRows(theirs)]);
  const same = strips.length === 2 && slots(strips[0]) === slots(strips[1]);
  const packed = strips.some(({ mine, theirs }) => JSON.stringify(mine.digests) !== JSON.stringify(theirs.digests));
  if (!same || packed) return strips.map(stripsOf);
  return stripsOf({ ...strips[0], name: strips[0].name.replace("keys", "keys and values") });
}

function stripsOf({ name, mine, theirs, labels, rings = [NO_RING, NO_RING], before = [], place = {} }) {
  const count = Math.max(tokenRows(mine).length, tokenRows(theirs).length);
  return Array.from({ length: count }, (_, row) =>
    strip(
      count > 1 ? `${name}, row ${row}` : name,
      stripSide(labels[0], mine, row, rings[0], before[0]),
      stripSide(labels[1], theirs, row, rings[1], before[1]),
      place.row === row ? place.slot : undefined,
    ),
  );
}

/** Lines of bookkeeping, those that differ first. */
function facts(lines, labels) {
  const sorted = [...lines.filter((line) => line[3]), ...lines.filter((line) => !line[3])];
  const rows = sorted.map(([name, left, right, bad]) =>
    make(
      "tr",
      { class: bad && "differs" },
      make("th", { scope: "row" }, name),
      left === right && !bad
        ? make("td", { colspan: 2 }, left)
        : [make("td", {}, left), make("td", {}, right)],
      make("td", {}, bad && "≠"),
    ),
  );
  const both = make("th", { scope: "col", colspan: 2 }, "both");
  const bad = lines.some((line) => line[3]);
  const heads = bad ? labels.map((label) => make("th", { scope: "col" }, label)) : both;
  const table = make(
    "table",
    { class: "facts" },
    make("thead", {}, make("tr", {}, make("td", {}), heads, make("td", {}))),
    make("tbody", {}, rows),
  );
  return scrolling("bookkeeping", table);
}
