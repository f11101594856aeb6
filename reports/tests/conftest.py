"""Runs to draw reports from: one for each way in which two caches can part."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kvreports.model import (
    CacheView,
    Finding,
    Footer,
    Header,
    Implementation,
    LedgerProblem,
    ListValue,
    MaskArray,
    NumberArray,
    OpView,
    QuantizedArray,
    RaisedValue,
    Record,
    Run,
    SideView,
    TokenArray,
)

collect_ignore = [] if os.environ.get("KVPARITY_BROWSER") else ["browser"]
"""The tests in a browser are a suite of their own: `tox -e browser`."""

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e[bold]&quot;'\""
"""Markup, a terminal's escape, a bidi override, rich's markup, and both quotes."""


def tokens(*rows: Sequence[int | str], dtype: str = "float32") -> TokenArray:
    shape = (len(rows), 2, len(rows[0]), 4)
    return TokenArray(dtype=dtype, shape=shape, rows=tuple(tuple(row) for row in rows))


def mask(*rows: str) -> MaskArray:
    return MaskArray(dtype="bool", shape=(len(rows), len(rows[0])), rows=rows)


def numbers(*values: float, dtype: str = "float32", sha256: str = "0" * 64) -> NumberArray:
    return NumberArray(dtype=dtype, shape=(len(values),), numbers=values, sha256=sha256)


def cache(*rows: Sequence[int | str], kind: str = "rotating", **fields: Any) -> CacheView:
    held = tokens(*rows)
    return CacheView(kind=kind, fields={"keys": held, "values": held, "offset": 9, **fields})


def side(**parts: Any) -> SideView:
    return SideView(**parts)


def op(index: int, subject: SideView | None, reference: SideView | None, label: str) -> OpView:
    return OpView(index=index, step=index + 1, label=label, subject=subject, reference=reference)


def finding(
    index: int, field: str, subject: Any = None, reference: Any = None, **rest: Any
) -> Finding:
    parts: dict[str, Any] = {
        "what": "difference",
        "step": index + 1,
        "op": "decode 8",
        "level": "state",
        "message": f"{field} differs",
        **rest,
    }
    return Finding(index=index, field=field, subject=subject, reference=reference, **parts)


def record(name: str = "one", **parts: Any) -> Record:
    whole: dict[str, Any] = {
        "id": f"ring/{name}",
        "file": "corpus/ring.yaml",
        "line": 3,
        "digest": "0123456789abcdef",
        "about": "What only this one would catch.",
        "source": None,
        "kinds": ("rotating",),
        "operations": ("decode",),
        "steps": ("decode 0..7", "decode 8"),
        "verdict": "conform",
        "summary": "both sides agree in every step",
        "ops_total": 2,
        **parts,
    }
    return Record(**whole)


def run(*records: Record, ledger: tuple[LedgerProblem, ...] = (), **header: Any) -> Run:
    counts: dict[str, int] = {}
    for one in records:
        counts[one.verdict] = counts.get(one.verdict, 0) + 1
    passes = not ledger and set(counts) <= {"conform", "declared", "unsupported"}
    parts: dict[str, Any] = {
        "tool": "0.1.0",
        "subject": Implementation(name="kvimpl", version="1.2.3", origin="/here/kvimpl"),
        "reference": Implementation(
            name="mlx-lm==0.32.2",
            version="0.32.2",
            origin="/there/models",
            hashes={"cache.py": "c96cb169" * 8},
        ),
        "mlx": "0.32.4",
        "python": "3.11.7",
        "platform": "Linux x86_64, Device(cpu, 0)",
        "levels": ("returned", "state", "internals"),
        "command": ("kvparity", "run", "ring/*"),
        "started": "2026-01-02T03:04:05+00:00",
        "duration": 0.5,
        **header,
    }
    return Run(
        header=Header(**parts),
        records=records,
        footer=Footer(
            scenarios=len(records), counts=counts, ledger=ledger, exit_code=0 if passes else 1
        ),
    )


def _parted(
    subject: SideView | None, reference: SideView | None, *found: Finding, **parts: Any
) -> Run:
    """A run of one failing scenario: an op on which both agree, then the one where they part."""
    agreed = side(caches={"cache": cache(range(8), keep=4, idx=8)})
    ops = (op(0, agreed, agreed, "decode 7"), op(1, subject, reference, "decode 8"))
    yaml = "family: ring\nscenarios:\n- name: one\n"
    whole = {"verdict": "diverge", "summary": "it differs", "yaml": yaml, **parts}
    return run(record(findings=found, ops=ops, **whole), record("two"))


def _ring_order() -> Run:
    mine = cache([8, 1, 2, 3, 4, 5, 6, 7], keep=4, idx=1)
    theirs = cache([0, 1, 2, 3, 8, 5, 6, 7], keep=4, idx=5)
    found = finding(1, "keys", mine.fields["keys"], theirs.fields["keys"], cache="cache")
    return _parted(side(caches={"cache": mine}), side(caches={"cache": theirs}), found)


def _offset_only() -> Run:
    mine, theirs = cache(range(8), offset=10), cache(range(8), offset=9)
    found = finding(1, "offset", 10, 9, cache="cache")
    return _parted(side(caches={"cache": mine}), side(caches={"cache": theirs}), found)


def _mask() -> Run:
    mine, theirs = mask("xx..", "xxx."), mask("xx..", ".xx.")
    found = finding(1, "returned", mine, theirs, level="returned", place={"query": 1, "key": 0})
    return _parted(side(returned=mine), side(returned=theirs), found)


def _batch(padding: Sequence[int], *rows: Sequence[int | str]) -> CacheView:
    return cache(*rows, kind="batch", left_padding=numbers(*padding, dtype="int32"), idx=4)


def _batch_padding() -> Run:
    rows = (["·", 1, 2, 3], [4, 5, 6, 7])
    mine, theirs = _batch([0, 1], *rows), _batch([1, 0], *rows)
    fields = mine.fields["left_padding"], theirs.fields["left_padding"]
    found = finding(1, "left_padding", *fields, level="internals", cache="cache")
    return _parted(side(caches={"cache": mine}), side(caches={"cache": theirs}), found)


def _batch_mask() -> Run:
    mine, theirs = (
        MaskArray(dtype="bool", shape=(2, 1, 2, 3), rows=rows)
        for rows in (("xx.", "xxx", ".x.", ".xx"), ("xx.", "xxx", ".x.", "xxx"))
    )
    found = finding(1, "returned", mine, theirs, level="returned")
    return _parted(side(returned=mine), side(returned=theirs), found)


def _quantized() -> Run:
    def held(digests: tuple[str, ...]) -> CacheView:
        keys = QuantizedArray(
            dtype="float32", shape=(1, 2, 3, 4), rows=((0, 1, 2),), digests=(digests,)
        )
        values = keys.model_copy(update={"digests": (("aa", "bb", "cc"),)})
        return CacheView(kind="quantized", fields={"keys": keys, "values": values, "bits": 4})

    mine, theirs = held(("01", "02", "03")), held(("01", "12", "03"))
    found = finding(1, "keys", mine.fields["keys"], theirs.fields["keys"], cache="cache")
    return _parted(side(caches={"cache": mine}), side(caches={"cache": theirs}), found)


def _arrays() -> Run:
    mine, theirs = (
        CacheView(kind="arrays", fields={"slots": ListValue(items=(tokens(row), None))})
        for row in ([1, 2], [1, 3])
    )
    fields = mine.fields["slots"], theirs.fields["slots"]
    found = finding(1, "slots", *fields, cache="cache")
    return _parted(side(caches={"cache": mine}), side(caches={"cache": theirs}), found)


def _long() -> Run:
    """A ring of 600 slots and 40 steps; the last of three that are recorded parts."""
    mine, theirs = cache(range(600), idx=600), cache([*range(599), 0], idx=600)
    steps = tuple(f"decode {600 + step}" for step in range(40))
    agreed = side(caches={"cache": mine})
    ops = (
        *(op(index, agreed, agreed, steps[index]) for index in (18, 19)),
        op(20, agreed, side(caches={"cache": theirs}), steps[20]),
    )
    found = finding(20, "keys", mine.fields["keys"], theirs.fields["keys"], cache="cache")
    parts = {"verdict": "diverge", "summary": "it differs", "steps": steps, "ops_total": 40}
    return run(record(findings=(found,), ops=ops, **parts))


def _raised() -> Run:
    raised = RaisedValue(raised="ValueError", message="too far")
    found = finding(1, "raised", raised, 6, what="refused", message="only the subject raised")
    return _parted(side(raised=raised), side(returned=6), found, verdict="refused")


def _dtype() -> Run:
    mine, theirs = tokens(range(3), dtype="float16"), tokens(range(3))
    found = finding(1, "returned", mine, theirs, level="returned")
    return _parted(side(returned=mine), side(returned=theirs), found)


def _missing_cache() -> Run:
    found = finding(1, "cache", "not there", "there", cache="extra")
    held = {"cache": cache(range(8))}
    more = {**held, "extra": cache([20, 21])}
    return _parted(side(caches=held), side(caches=more), found)


def _numbers() -> Run:
    mine, theirs = numbers(1.0, 2.0, 3.5), numbers(1.0, 2.0, 3.0, sha256="1" * 64)
    found = finding(1, "returned", mine, theirs, level="returned")
    return _parted(side(returned=mine), side(returned=theirs), found)


def _later_numbers() -> Run:
    """Numbers of which those that are shown are the same."""
    mine, theirs = numbers(1.0, 2.0), numbers(1.0, 2.0, sha256="1" * 64)
    found = finding(1, "returned", mine, theirs, level="returned")
    return _parted(side(returned=mine), side(returned=theirs), found)


def _crash() -> Run:
    found = finding(1, "crashed", what="stop", side="subject", message="cannot be evaluated: boom")
    theirs = side(caches={"cache": cache(range(8))})
    return _parted(None, theirs, found, verdict="crashed")


def _layout() -> Run:
    mine = ListValue(items=("0.0 float32 [1]", "1.0: KVCache"))
    theirs = ListValue(items=("0.0 float32 [1]", "0.0: KVCache", "1.x: y"))
    both = side(caches={"cache": cache(range(8))})
    return _parted(both, both, finding(1, "layout", mine, theirs, cache="file f"))


def _lacking() -> Run:
    parts = {"what": "stop", "side": "subject", "message": "there is no KVCache.trim in it"}
    theirs = side(caches={"cache": cache(range(8))})
    return _parted(None, theirs, finding(1, "lacking", **parts), verdict="lacking")


def _promised() -> Run:
    both = side(caches={"cache": cache(range(8))})
    parts = {"what": "promise", "side": "subject", "cache": "cache", "expected": numbers(3, 2)}
    return _parted(both, both, finding(1, "offset", numbers(4, 3), **parts))


def _pinned() -> Run:
    pins = ListValue(items=(ListValue(items=(0, 1, 9)),))
    got = ListValue(items=(ListValue(items=(0, 1, 2)),))
    both = side(caches={"cache": cache([0, 1, 2])})
    parts = {"what": "fact", "side": "subject", "expected": pins, "cache": "cache"}
    return _parted(both, both, finding(1, "keys", got, **parts), verdict="subject-moved")


def _aside() -> Run:
    refused = RaisedValue(raised="RankMismatchError", message="keys are 3-D")
    mine = side(raised=refused, caches={"cache": cache(range(8))})
    theirs = side(returned=None, aside=True, caches={"cache": cache(range(8))})
    parts = {"what": "fact", "side": "subject", "expected": "OutOfRangeError"}
    return _parted(mine, theirs, finding(1, "error", refused, **parts), verdict="subject-moved")


def _hostile() -> Run:
    named = cache([0, HOSTILE], kind=HOSTILE)
    raised = side(raised=RaisedValue(raised=HOSTILE, message=HOSTILE), caches={HOSTILE: named})
    went = side(returned=HOSTILE, caches={HOSTILE: named})
    parts = {"what": "refused", "message": HOSTILE, "op": HOSTILE, "cache": HOSTILE}
    found = finding(0, HOSTILE, raised.raised, HOSTILE, declared=None, **parts)
    bad = record(
        HOSTILE,
        file=HOSTILE,
        about=HOSTILE,
        source=HOSTILE,
        steps=(HOSTILE,),
        yaml=HOSTILE,
        verdict="refused",
        summary=HOSTILE,
        findings=(found, found),
        ops=(op(0, raised, went, HOSTILE), op(1, went, went, HOSTILE)),
    )
    one = Implementation(name=HOSTILE, version=HOSTILE, origin=HOSTILE, hashes={HOSTILE: HOSTILE})
    problem = LedgerProblem(id=HOSTILE, why="stale", message=HOSTILE)
    header = {"platform": HOSTILE, "command": (HOSTILE,), "mlx": HOSTILE, "started": HOSTILE}
    return run(
        bad,
        record(f"{HOSTILE}2", about=HOSTILE),
        ledger=(problem,),
        subject=one,
        reference=one,
        **header,
    )


CASES: dict[str, Callable[[], Run]] = {
    "ring order": _ring_order,
    "offset only": _offset_only,
    "mask": _mask,
    "batch padding": _batch_padding,
    "batch mask": _batch_mask,
    "quantized": _quantized,
    "arrays": _arrays,
    "long": _long,
    "raised": _raised,
    "dtype": _dtype,
    "missing cache": _missing_cache,
    "numbers": _numbers,
    "later numbers": _later_numbers,
    "crash": _crash,
    "layout": _layout,
    "lacking": _lacking,
    "promised": _promised,
    "pinned": _pinned,
    "aside": _aside,
    "hostile": _hostile,
    "conform": lambda: run(record(), record("two")),
}


@pytest.fixture
def case() -> Callable[[str], Run]:
    """A run by the name of its case."""
    return lambda name: CASES[name]()


@pytest.fixture(params=CASES)
def any_case(request: pytest.FixtureRequest) -> Run:
    """Every case in turn."""
    return CASES[request.param]()


@pytest.fixture
def run_of() -> Callable[..., Run]:
    """A run of these records."""
    return run


@pytest.fixture
def record_of() -> Callable[..., Record]:
    """A record, conforming but for what is said."""
    return record
