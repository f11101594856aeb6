"""What a release offers, read out of its sources."""

from __future__ import annotations

from kvoracle.interface import changes, interface
from kvoracle.releases import release


def test_a_property_and_its_setter_are_two_names():
    offered = interface(release("0.31.3"))
    assert offered["KVCache.state"] == "property (self)"
    assert offered["KVCache.state ="] == "(self, v)"


def test_a_setter_that_went_is_told():
    old, new = interface(release("0.31.3")), interface(release("0.32.0"))
    gone = set(changes(old, new).gone)
    assert {name for name in old if name.endswith(" =")} - set(new) <= gone
    assert "RotatingKVCache.meta_state =" in gone
