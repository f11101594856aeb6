"""What a scenario becomes before it is played."""

from __future__ import annotations

from kvparity.program import Program
from kvscenarios.loader import load_text

REFUSED = """
family: rows
scenarios:
  - name: refused
    cache: {kind: batch, left_padding: [0, 1]}
    steps:
      - {filter: [7], expect: {error: OutOfRangeError}}
      - update: [[1], [2]]
"""


def test_what_is_to_be_refused_changes_no_number_of_rows() -> None:
    keys, _values = Program(load_text(REFUSED)[0]).inputs()[1]
    assert keys.shape[0] == 2
