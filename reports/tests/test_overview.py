"""What the overview counts: kind by operation, what looks alike, scenario by release."""

from __future__ import annotations

import pytest

from kvreports.model import Era
from kvreports.overview import entries, groups, link, matrix, releases


@pytest.fixture
def mixed(case, run_of, record_of):
    """Two failures alike, one of another kind, and a scenario of two kinds that conforms."""
    offset, mask = case("offset only").records[0], case("mask").records[0]
    smaller = offset.model_copy(update={"id": "ring/smaller", "ops_total": 1})
    both = record_of("both", kinds=("rotating", "standard"), operations=("decode", "trim"))
    return entries(run_of(offset, smaller, mask, both).records)


def test_a_conforming_scenario_counts_in_every_cell_of_its_kinds_and_operations(mixed) -> None:
    counted = {
        (name, kind): (cell.total, cell.failing)
        for table in [matrix(mixed)]
        for name, cells in table.rows
        for kind, cell in zip(table.kinds, cells, strict=True)
        if cell is not None
    }
    assert counted == {
        ("decode", "rotating"): (4, 3),
        ("decode", "standard"): (1, 0),
        ("trim", "rotating"): (1, 0),
        ("trim", "standard"): (1, 0),
    }


def test_failures_alike_are_one_group_the_smallest_first(mixed) -> None:
    found = [[entry.record.id for entry in group.entries] for group in groups(mixed)]
    assert found == [["ring/smaller", "ring/one"], ["ring/one"]]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ring/one@keep=1,size=2", "ring/one@keep=1,size=2"),
        ("a b<c>&d=1#e", "a-b-c-d=1-e"),
        ("n" * 500, "n" * 120),
    ],
)
def test_a_scenario_s_key_is_its_name_as_an_address_carries_it(name, key, record_of) -> None:
    [entry] = entries([record_of().model_copy(update={"id": name})])
    assert (entry.key, link(scenario=entry.key)) == (key, f"#scenario={key}")


def test_names_that_read_alike_in_an_address_get_keys_of_their_own(record_of) -> None:
    records = [record_of().model_copy(update={"id": name}) for name in ("a b", "a c", "a  b")]
    assert [entry.key for entry in entries(records)] == ["a-b", "a-c", "a-b~2"]


def test_releases_between_which_nothing_changes_are_one_column() -> None:
    one = (Era(letter="A", releases=("1", "2", "3")), Era(letter="B", releases=("4",)))
    two = (Era(letter="-", releases=("1",)), Era(letter="A", releases=("2", "3", "4")))
    found = releases([("one", "#1", one), ("none", "#0", ()), ("two", "#2", two)])
    assert found is not None
    assert found.columns == (("1",), ("2", "3"), ("4",))
    assert found.rows == (("one", "#1", ("A", "A", "B")), ("two", "#2", ("-", "A", "A")))


def test_where_no_releases_are_known_there_is_no_such_table() -> None:
    assert releases([("one", "#1", ())]) is None
