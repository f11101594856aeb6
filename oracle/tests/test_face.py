"""The face of a release, and of a module with its interface."""

from types import ModuleType, SimpleNamespace

import mlx.core as mx
import pytest

from kvoracle.face import Face, Unsupported, through_brackets
from kvoracle.load import load
from kvoracle.releases import PINNED, release


@pytest.fixture(scope="module")
def pinned() -> tuple[ModuleType, ModuleType]:
    return load(release(PINNED))


def test_models_on_a_release_call_its_own_base(pinned: tuple[ModuleType, ModuleType]) -> None:
    assert Face("release", *pinned).models is pinned[1]


def test_models_on_any_other_module_call_that_of_the_pinned_release(
    pinned: tuple[ModuleType, ModuleType],
) -> None:
    face = Face("module", pinned[0])
    assert face.models is pinned[1]
    hidden = mx.zeros((1, 3, 1))
    assert face.model_mask(hidden, None, window_size=None, return_array=False) == "causal"
    assert face.ssm_mask(hidden, None) is None


def test_a_base_without_masks_for_models_is_told(pinned: tuple[ModuleType, ModuleType]) -> None:
    face = Face("old", pinned[0], ModuleType("base"))
    with pytest.raises(Unsupported, match=r"there is no base\.create_ssm_mask in it"):
        face.ssm_mask(mx.zeros((1, 3, 1)), None)


def test_parts_are_read_as_models_read_them() -> None:
    class Shifted:
        def __getitem__(self, index: int) -> str:
            return "cba"[index]

    assert through_brackets(Shifted(), ["a", "b", "c"]) == ("c", "b", "a")
    assert through_brackets(SimpleNamespace(), ["a", "b"]) == ("a", "b")
