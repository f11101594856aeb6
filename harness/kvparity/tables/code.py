"""Tables as code: a template a language, in `templates/`, or any other that somebody writes.

A template is given `tables`, `provenance` (lines), `left_out` and `title`. It may set, at its top,
`kinds` and `operations`: what the port's interface has. A scenario with anything else is left out
and named in `left_out`, for a test that skips a step would expect what cannot come. What literals
look like is the template's affair: `nested` writes rows of tokens between any brackets.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from kvparity.layouts import Layouts
from kvparity.mistakes import UsageError
from kvparity.program import Op
from kvparity.snippets import expression, making
from kvparity.tables.cells import text
from kvparity.tables.columns import COLUMNS
from kvparity.tables.document import Document
from kvparity.tables.made import Table
from kvparity.tables.reading import Reading, reading
from kvparity.tables.rows import MASKS, Row, more_than_tokens
from kvreports.words import plain
from kvscenarios.caches import CacheSpec

TEMPLATES = Path(__file__).parent / "templates"


def rendered(document: Document, path: Path) -> str:
    """The document through a template. Raises UsageError for what is wrong in a template."""
    environment = SandboxedEnvironment(
        loader=jinja2.FileSystemLoader([path.parent, TEMPLATES]),
        undefined=jinja2.StrictUndefined,
        autoescape=".html" in path.suffixes,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "nested": nested, "snake": snake, "camel": camel, "comment": comment, "cell": text,
        "quoted": quoted, "plain": plain, "python": repr,
    }  # fmt: skip
    try:
        template = environment.get_template(path.name)
        return _rendered(template, document)
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"{path}:{error.lineno}: {error.message}") from None
    except UsageError:
        raise
    except Exception as error:  # a template may call and compute whatever its author likes
        if path.parent == TEMPLATES and not isinstance(error, jinja2.TemplateError):
            raise
        raise UsageError(f"{_place(error, path)}: {_said(error)}") from None


def _place(error: Exception, path: Path) -> str:
    """The template's file and line where the error arose, as far as they are known."""
    ours = {path.parent.resolve(), TEMPLATES.resolve()}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.suffix != ".py" and file.resolve().parent in ours and file.is_file():
            return f"{path if file.name == path.name else file}:{frame.lineno}"
    return str(path)


def _said(error: Exception) -> str:
    known = isinstance(error, jinja2.TemplateError) and error.message
    return str(known) if known else f"{type(error).__name__}: {error}".removesuffix(": ")


def _rendered(template: jinja2.Template, document: Document) -> str:
    given: dict[str, Any] = {
        "provenance": document.provenance.lines(),
        "title": ", ".join(table.scenario.id for table in document.tables),
        "columns": COLUMNS,
        "tables": [],
        "left_out": [],
    }
    kinds, operations = _interface(template, given)
    tables, left_out = [], []
    for one in _with_names(map(_table, document.tables)):
        lacking = sorted(one["kinds"] - set(kinds if kinds is not None else one["kinds"]))
        lacking += sorted(
            one["operations"] - set(operations if operations is not None else one["operations"])
        )
        if lacking:
            left_out.append({"id": one["id"], "lacking": lacking})
        else:
            tables.append(one)
    if left_out and not tables:
        named = "; ".join(f"{one['id']}: {', '.join(one['lacking'])}" for one in left_out[:5])
        raise UsageError(f"{template.name} has no words for any of the scenarios ({named})")
    return template.render(given | {"tables": tables, "left_out": left_out})


def _interface(template: jinja2.Template, given: dict[str, Any]) -> Iterator[Any]:
    """The kinds and the operations that the template sets at its top, None where it sets none."""
    try:
        module = template.make_module(given)
    except Exception:  # noqa: BLE001 - it is raised again, at the line of the template
        template.environment.handle_exception()
    for name in ("kinds", "operations"):
        words = getattr(module, name, None)
        if words is not None and not isinstance(words, list | tuple):
            raise UsageError(f"{template.filename}: `{name}` is to be a list of words")
        yield words


def _with_names(tables: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The tables, each `called` what makes a name in code that no other has."""
    taken: set[str] = set()
    for one in tables:
        called = one["id"] if snake(one["id"]) not in taken else f"{one['id']}-{one['digest']}"
        taken.add(snake(called))
        yield {**one, "called": called}


def _table(table: Table) -> dict[str, Any]:
    """One scenario as a template has it."""
    scenario, steps = table.scenario, list(_steps(table))
    read: Reading = reading(table)
    return {
        "id": scenario.id,
        "name": scenario.name,
        "family": scenario.family,
        "about": " ".join((scenario.about or "").split()),
        "digest": scenario.digest,
        "caches": [_cache(name, spec) for name, spec in scenario.specs.items()],
        "caches_text": read.caches,
        "kinds": {_kind(row) for row in table.rows if row["kind"] is not None},
        "operations": {step["does"] for step in steps} | set(_unusual(table.rows)),
        "steps": steps,
        "columns": read.columns,
        "throughout": read.throughout,
        "traced": any(row["working"] is not None for row in table.rows),
        "rows": table.rows,
    }


def _kind(row: Row) -> str:
    """The row's kind of cache; a quantized one of 16-bit numbers is a kind of its own."""
    sixteen = row["kind"] == "quantized" and row["dtype"] in {"float16", "bfloat16"}
    return f"quantized of {row['dtype']}" if sixteen else row["kind"]


def _unusual(rows: Sequence[Row]) -> Iterator[str]:
    """What is unusual about a whole scenario: not every language can expect it."""
    sides = ("keys", "values", "fetched", "fetched_values")
    held = [row[side] for row in rows for side in sides if row[side] is not None]
    if any(isinstance(cells, str) or _odd(cells) for cells in held):
        yield "slots that hold no token"
    if any(isinstance(row[one], int) and row[one] < 0 for row in rows for one in _COUNTS):
        yield "counts below zero"
    if any(row["refused"] or row["raised"] for row in rows):
        yield "input that is refused"


def _odd(cells: Sequence[Any]) -> bool:
    return any(isinstance(cell, str) for row in cells for cell in row)


def _cache(name: str, spec: CacheSpec) -> dict[str, Any]:
    return {**spec.model_dump(mode="json"), "name": name, "python": making(spec)}


def _steps(table: Table) -> Iterator[dict[str, Any]]:
    """The operations, each with its rows, its arguments, and the geometry of what it is given."""
    layouts, program = Layouts(table.scenario.specs), table.program
    last = None
    for index, op in enumerate(program.ops):
        if op.index != last and last is not None:
            _take(layouts, program.scenario.steps[last])
        last = op.index
        layout = layouts.of(op.targets[0] if op.targets else "")
        rows = [row for row, at in zip(table.rows, table.indices, strict=True) if at == index]
        first: Row = rows[0]
        given = [repr(first["tokens"])] if op.name == "decode" else []
        code = expression(op.step, layout, *given)
        yield {
            **{name: first[name] for name in first if name in _OF_STEP},
            "does": _does(op),
            "name": op.name,
            "on": list(op.targets),
            "makes": op.makes,
            "args": _args(op.step.args),
            "layout": layout,
            "python": code,
            "said": f"{first['op']}. {program.label(op)}",
            "is_mask": op.name in MASKS,
            "fails": bool(op.refused or first["raised"]),
            "held": [row for row in rows if row["kind"] is not None],
        }


_COUNTS = ("offset", "idx", "returned")
_OF_STEP = frozenset(
    name
    for name in COLUMNS
    if name in {"op", "step", "tokens", "fetched", "fetched_values", "fetched_shape", "returned"}
    or name in {"mask", "mask_shape", "raised", "refused", "working"}
)


def _take(layouts: Layouts, step: Any) -> None:
    if step.expect is None or step.expect.error is None:
        layouts.take(step)


def _does(op: Op) -> str:
    """The operation by name, with what is unusual about it: some languages lack words for that."""
    args = _args(op.step.args)
    if op.name in {"update", "decode"}:
        return "update of other arrays" if more_than_tokens(op) else "update"
    if isinstance(args, int):
        return f"{op.name} below zero" if args < 0 else op.name
    if isinstance(args, dict):
        if args.get("left_padding") is not None or args.get("right_padding") is not None:
            return f"{op.name} with padding"
        if any(isinstance(value, int) and value < 0 for value in args.values()):
            return f"{op.name} below zero"
    return op.name


def _args(args: Any) -> Any:
    return args.model_dump(mode="json", by_alias=True) if hasattr(args, "model_dump") else args


def nested(value: Any, start: str = "[", end: str = "]", none: str = "null") -> str:
    """Lists within lists as a literal: `&[&[0, 1], &[2]]` with `&[` and `]`."""
    if isinstance(value, list | tuple):
        return start + ", ".join(nested(item, start, end, none) for item in value) + end
    if value is None:
        return none
    return str(value).lower() if isinstance(value, bool) else str(value)


def snake(name: str) -> str:
    """A name for a function: `rotating/ring@keep=1` as `rotating_ring_keep_1`."""
    plainly = re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")
    return f"_{plainly}" if plainly[:1].isdigit() else plainly


def camel(name: str) -> str:
    """A name for a class: `rotating/ring@keep=1` as `RotatingRingKeep1`."""
    plainly = "".join(part.capitalize() for part in snake(name).split("_"))
    return f"_{plainly}" if plainly[:1].isdigit() else plainly


def comment(lines: Sequence[object], sign: str) -> str:
    """Lines behind a comment's sign, nothing in them that could end the line."""
    return "\n".join(f"{sign} {plain(str(line))}".rstrip() for line in lines)


def quoted(words: str) -> str:
    """A string literal that Python, Rust and Swift read alike."""
    said = plain(words).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{said}"'
