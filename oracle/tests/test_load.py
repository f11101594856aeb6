"""The installed release is found and loaded without importing mlx_lm."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import pytest

from kvoracle import sources
from kvoracle.load import load
from kvoracle.sources import OracleError, Sources

NO_IMPORT = """
import sys
from kvoracle.load import load
from kvoracle.sources import installed
cache, base = load(installed())
assert cache.KVCache and base.create_causal_mask
print(sorted(name for name in sys.modules if name.partition(".")[0] in {"mlx_lm", "transformers"}))
"""


def test_loading_the_release_imports_neither_mlx_lm_nor_transformers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_IMPORT], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_release_carries_its_version_and_the_hashes_of_its_two_files() -> None:
    found = sources.installed()
    models = Path(str(importlib.metadata.distribution("mlx-lm").locate_file("mlx_lm/models")))
    assert found.version == importlib.metadata.version("mlx-lm")
    assert found.hashes == {
        name: hashlib.sha256((models / name).read_bytes()).hexdigest()
        for name in ("base.py", "cache.py")
    }


def test_the_caches_use_the_base_module_that_came_with_them() -> None:
    found = sources.installed()
    other = replace(found, version="0+patched", base=found.base + b"\nMARK = 1\n")
    cache, base = load(other)
    assert cache.create_causal_mask is base.create_causal_mask
    assert base.MARK == 1
    assert not hasattr(load(found)[1], "MARK")


def test_two_releases_stand_side_by_side() -> None:
    found = sources.installed()
    wrong = found.cache.replace(b"return self.offset < self.max_size", b"return False")
    assert wrong != found.cache
    mine, _ = load(found)
    theirs, _ = load(replace(found, version="0+wrong", cache=wrong))
    said = [module.RotatingKVCache(max_size=4).is_trimmable() for module in (mine, theirs)]
    assert said == [True, False]


def test_the_same_sources_load_once() -> None:
    assert load(sources.installed())[0] is load(sources.installed())[0]


def test_a_traceback_from_a_release_shows_its_source_line() -> None:
    import traceback

    cache, _ = load(sources.installed())
    with pytest.raises(AttributeError) as caught:
        cache.KVCache().update_and_fetch(None, None)
    shown = "".join(traceback.format_exception(caught.value))
    assert "= keys.shape" in shown
    assert "/models/cache.py" in shown


def test_sources_that_do_not_load_are_told() -> None:
    broken = Sources("mlx-lm@broken", "broken", b"", b"import no_such_module_here", "test")
    with pytest.raises(OracleError, match="mlx-lm@broken does not load here: ModuleNotFound"):
        load(broken)


def test_a_release_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "DISTRIBUTION", "no-such-distribution-here")
    with pytest.raises(OracleError, match="is not installed here: pip install"):
        sources.installed()


def test_observations_equal_those_of_the_real_package() -> None:
    from mlx_lm.models import cache as real

    loaded, _ = load(sources.installed())
    results = []
    for module in (real, loaded):
        ring = module.RotatingKVCache(max_size=4, keep=1)
        for token in range(7):
            x = mx.full((1, 1, 1, 2), token)
            keys, _values = ring.update_and_fetch(x, x)
        results.append((keys.tolist(), ring.offset, ring._idx))
    assert results[0] == results[1]
