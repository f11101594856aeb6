"""What a run file holds: a header, a record a scenario, a footer, one JSON object a line.

Everything a report shows is in here, in plain words and numbers: token ids in place of painted
arrays, rows of `x` and `.` in place of masks. No report needs mlx, or the implementations.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal[
    "conform",
    "declared",
    "diverge",
    "refused",
    "reference-moved",
    "hand-differs",
    "subject-moved",
    "lacking",
    "unsupported",
    "crashed",
    "timeout",
    "stale",
]
PASSING: frozenset[Verdict] = frozenset({"conform", "declared", "unsupported"})
"""Verdicts that a gate lets through."""
Side = Literal["subject", "reference"]


class Part(BaseModel):
    """A part of the run file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Implementation(Part):
    """One of the two implementations held against each other."""

    name: str
    version: str | None
    origin: str
    hashes: dict[str, str] = {}


class Header(Part):
    """What was run, with what, and when."""

    type: Literal["header"] = "header"
    format: Literal["kvparity-run"] = "kvparity-run"
    version: Literal[1] = 1
    tool: str
    subject: Implementation
    reference: Implementation
    mlx: str
    python: str
    platform: str
    levels: tuple[str, ...]
    seed: int | None = None
    command: tuple[str, ...]
    started: str = Field(description="When, in UTC, as ISO 8601.")
    duration: float = Field(description="Seconds that playing and comparing took.")


class TokenArray(Part):
    """Keys or values as tokens: a list of slots, in physical order, for each batch row.

    A slot is a token id; `·` unwritten; `v3` or `k3` a value in a key's place or a key in a
    value's; `3*` token 3 with its lanes in the wrong places; `?` what no token was painted as.
    """

    array: Literal["tokens"] = "tokens"
    dtype: str
    shape: tuple[int, ...]
    rows: tuple[tuple[int | str, ...], ...]


class QuantizedArray(Part):
    """Quantized keys or values: the token of each slot, and a digest of all that the slot holds.

    Tokens are read from the biases, which keep one number of each group exactly. Slots may hold the
    same token and differ in packed numbers or scales: then their digests do.
    """

    array: Literal["quantized"] = "quantized"
    dtype: str = Field(description="Of scales and biases.")
    shape: tuple[int, ...] = Field(description="Of the packed array.")
    rows: tuple[tuple[int | str, ...], ...]
    digests: tuple[tuple[str, ...], ...]


class MaskArray(Part):
    """A mask: a string a query, `x` where it attends, `.` where it does not.

    Of a mask for each batch row, `[B, 1, N, K]`, the rows' strings follow one another.
    """

    array: Literal["mask"] = "mask"
    dtype: str
    shape: tuple[int, ...]
    rows: tuple[str, ...]


class NumberArray(Part):
    """Any other array: its first numbers in row-major order, and the hash of all its bytes."""

    array: Literal["numbers"] = "numbers"
    dtype: str
    shape: tuple[int, ...]
    numbers: tuple[float | int | bool | str, ...]
    sha256: str


class RaisedValue(Part):
    """A field or an operation that raised."""

    raised: str
    message: str


class ListValue(Part):
    """Several values together, such as the keys and the values that an update returns."""

    items: tuple[Value, ...]


Value = (
    None
    | bool
    | int
    | float
    | str
    | TokenArray
    | QuantizedArray
    | MaskArray
    | NumberArray
    | RaisedValue
    | ListValue
)


class CacheView(Part):
    """What was seen of one cache: its fields, in the order in which they are compared."""

    kind: str
    fields: dict[str, Value]


class SideView(Part):
    """One side's part in an operation. `aside`: played on a copy, and not compared."""

    returned: Value = None
    raised: RaisedValue | None = None
    aside: bool = False
    caches: dict[str, CacheView] = {}


class OpView(Part):
    """One operation on both sides. `step` counts the scenario's steps from 1."""

    index: int
    step: int
    label: str
    subject: SideView | None
    reference: SideView | None


class Finding(Part):
    """Something that does not hold, and where.

    `what` is `difference` (the sides differ), `refused` (one raised), `fact` (a side does not meet
    what the scenario pins), `promise` (a hardened subject breaks its word), `stop` (a side went no
    further). `row`, `head`, `slot` and `lane` place the first differing element of an array.
    """

    what: Literal["difference", "refused", "fact", "promise", "stop"]
    side: Side | None = None
    index: int
    step: int
    op: str
    level: str
    cache: str | None = None
    field: str
    place: dict[str, int] = {}
    subject: Value = None
    reference: Value = None
    expected: Value = None
    message: str
    declared: str | None = Field(
        default=None, description="Id of the ledger's entry that declares it."
    )
    why: str | None = Field(
        default=None, description="That entry's class: hardening, upstream-bug, ..."
    )
    reason: str | None = Field(default=None, description="That entry's reason, in words.")


class TraceLine(Part):
    """A line of mlx-lm's source that the reference ran."""

    file: str
    line: int
    text: str


class Era(Part):
    """Neighbouring releases of mlx-lm at which a scenario behaves alike.

    Eras with the same letter behave alike; `-` stands where the releases lack what it needs.
    """

    letter: str
    releases: tuple[str, ...]
    change: str | None = Field(
        default=None, description="What changed since the era before, in words."
    )


class Record(Part):
    """One scenario's outcome. `ops` are given around the first finding that is not declared."""

    type: Literal["scenario"] = "scenario"
    id: str
    file: str
    line: int | None
    digest: str
    about: str | None
    source: str | None
    kinds: tuple[str, ...]
    operations: tuple[str, ...]
    steps: tuple[str, ...]
    yaml: str | None = Field(
        None, description="The scenario alone, as a file that can be run; where there are findings."
    )
    verdict: Verdict
    summary: str
    findings: tuple[Finding, ...] = ()
    ops: tuple[OpView, ...] = ()
    ops_total: int
    snippet: str | None = Field(
        default=None,
        description="The scenario as a script that needs only mlx-lm.",
    )
    trace: tuple[TraceLine, ...] = Field(
        default=(), description="The lines that the reference ran in the first finding's operation."
    )
    eras: tuple[Era, ...] = Field(
        default=(), description="How the scenario behaves at mlx-lm's releases, oldest first."
    )

    @property
    def first(self) -> Finding | None:
        """The finding that decides: the first that is not declared, or else the first."""
        for finding in self.findings:
            if finding.declared is None:
                return finding
        return self.findings[0] if self.findings else None


class LedgerProblem(Part):
    """A ledger entry that fails the run: stale, matching nothing, or past its date."""

    id: str
    why: Literal["stale", "matches-nothing", "expired"]
    message: str


class Footer(Part):
    """The end of a whole file: a file without it was cut off."""

    type: Literal["footer"] = "footer"
    scenarios: int
    counts: dict[str, int]
    ledger: tuple[LedgerProblem, ...] = ()
    exit_code: int


class Run(Part):
    """A whole run file."""

    header: Header
    records: tuple[Record, ...]
    footer: Footer


Line = Annotated[Header | Record | Footer, Field(discriminator="type")]


def _rebuild() -> None:
    namespace: dict[str, Any] = {"Value": Value}
    ListValue.model_rebuild(_types_namespace=namespace)


_rebuild()
