"""Real models of mlx-lm's on kvimpl's caches; and wrong caches under them, which are found out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from here import needs_models_of_today
from typed import kvparity

from kvparity.models.compare import First, Outcome, compare
from kvparity.models.zoo import ZOO, pick

pytestmark = needs_models_of_today

TOKENS = 8
"""Enough to pass the 256 rows by which buffers grow."""


@pytest.fixture(scope="module")
def outcomes() -> dict[tuple[str, str], Outcome]:
    return {(o.model, o.way): o for o in compare(pick([]), "kvimpl", TOKENS)}


@pytest.mark.parametrize("model", ZOO)
def test_a_model_gives_out_the_same_on_kvimpl_as_on_mlx_lm(outcomes, model) -> None:
    assert outcomes[model, "generate"].first is None


@pytest.mark.parametrize("model", [name for name in ZOO if not ZOO[name].not_batched])
def test_a_model_in_a_batch_gives_out_the_same_on_kvimpl_as_on_mlx_lm(outcomes, model) -> None:
    assert outcomes[model, "batch"].first is None


def test_every_kind_of_cache_that_mlx_lms_models_make_is_run(outcomes) -> None:
    assert {kind for outcome in outcomes.values() for kind in outcome.kinds} == {
        "KVCache", "RotatingKVCache", "ChunkedKVCache", "ArraysCache", "CacheList",
    }  # fmt: skip


WRONG = """
import mlx.core as mx
import kvimpl
from kvimpl import *

class RotatingKVCache(kvimpl.RotatingKVCache):
    def update_and_fetch(self, keys, values):
        keys, values = super().update_and_fetch(keys, values)
        return (mx.roll(keys, 1, 2) if self.offset == 252 else keys), values

class ChunkedKVCache(kvimpl.ChunkedKVCache):
    def maybe_trim_front(self):
        if self.offset != 96:
            super().maybe_trim_front()

class ArraysCache(kvimpl.ArraysCache):
    def prepare(self, lengths=None, **others):
        super().prepare([n - 1 for n in lengths])

class BatchKVCache(kvimpl.BatchKVCache):
    def filter(self, batch_indices):
        super().filter(batch_indices)
        self.left_padding = self.left_padding[::-1]

class KVCache(kvimpl.KVCache):
    merge = staticmethod(BatchKVCache.merge)

    def make_mask(self, N, window_size=None, return_array=False):
        if N == 1 and self.offset == 252:
            return mx.arange(253)[None] > 0
        return super().make_mask(N, window_size, return_array)
"""
"""A fault in every class, for the table below to say which run finds it where."""
WRONG_ON_MLX_LM = """
from mlx_lm.models import cache
from mlx_lm.models.cache import *

class RotatingKVCache(cache.RotatingKVCache):
    def _temporal_order(self, v):
        return v
"""


@pytest.fixture(scope="module")
def faults_found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], First | None]:
    with imported("wrong", WRONG, tmp_path_factory) as subject:
        models = pick(["llama", "llama4", "lfm2", "baichuan-m1"])
        return {(o.model, o.way): o.first for o in compare(models, subject, TOKENS)}


@contextmanager
def imported(name: str, source: str, paths: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a subject with this source; the processes that run models inherit the path."""
    directory = paths.mktemp(name)
    (directory / f"{name}.py").write_text(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(directory)
        yield f"python:{name}"


@pytest.mark.parametrize(
    ("model", "way", "token", "layer", "field"),
    [
        ("llama", "generate", "turn 1, token 3", "layer 0", "make_mask"),
        ("baichuan-m1", "generate", "turn 1, token 2", "layer 1.1", "update_and_fetch"),
        ("llama4", "generate", "turn 1, prompt (call 3)", "layer 0", "update_and_fetch"),
        ("llama", "batch", "call 6 (2 rows of 16 tokens)", "layer 0", "left_padding"),
        ("lfm2", "batch", "call 1 (3 rows of 16 tokens)", "layer 0", "lengths"),
    ],
)
def test_the_first_difference_is_named(faults_found, model, way, token, layer, field) -> None:
    first = faults_found[model, way]
    assert (first.token, first.layer, first.field) == (token, layer, field)


def test_a_subject_may_be_built_on_mlx_lms_caches(tmp_path_factory) -> None:
    with imported("wrong_on_mlx_lm", WRONG_ON_MLX_LM, tmp_path_factory) as subject:
        generate, batch = compare(pick(["gemma3"]), subject, TOKENS)
    assert batch.first is None
    first = generate.first
    assert first is not None
    assert (first.token, first.layer) == ("turn 2, prompt (call 16)", "layer 0")


RAISES = """
import kvimpl
from kvimpl import *

class KVCache(kvimpl.KVCache):
    def update_and_fetch(self, keys, values):
        if self.offset == 96:
            raise kvimpl.InvariantViolationError("here", "never 96")
        return super().update_and_fetch(keys, values)
"""


def test_a_subject_that_raises_under_a_model_is_reported_and_leaves_with_1(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(RAISES)
    done = kvparity(tmp_path, "models", "llama", "--subject", "python:wrong", "--tokens", "1")
    assert done.returncode == 1, done.stderr
    assert "turn 1, prompt (call 3), layer 0, update_and_fetch: raised" in done.stdout
    assert "never 96" in done.stdout


def test_outcomes_are_json_for_a_script(tmp_path: Path) -> None:
    done = kvparity(tmp_path, "models", "llama-kv4", "--tokens", "1", "--json")
    assert done.returncode == 0, done.stderr
    generate, batch = json.loads(done.stdout)
    assert (generate["model"], generate["way"], generate["tokens"]) == ("llama-kv4", "generate", 2)
    assert batch["not_run"] == "mlx-lm does not batch quantized caches"


def test_an_unknown_model_is_wrong_usage_and_names_the_nearest(tmp_path: Path) -> None:
    done = kvparity(tmp_path, "models", "lama")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "kvparity: no model is called 'lama'; did you mean 'llama'?\n"


def test_a_subject_that_lacks_a_name_cannot_run(tmp_path: Path) -> None:
    (tmp_path / "partial.py").write_text("from kvimpl import KVCache\n")
    done = kvparity(tmp_path, "models", "llama", "--subject", "python:partial")
    assert done.returncode == 3
    assert "mlx-lm does not import on the caches of python:partial" in done.stderr
    assert "Traceback" not in done.stderr


def test_models_find_the_classes_of_the_stand_in(tmp_path: Path) -> None:
    code = (
        "import kvimpl; from kvparity.models.swap import stand_in; stand_in(kvimpl)\n"
        "from mlx_lm.models import cache, llama\n"
        "assert llama.KVCache is cache.KVCache is kvimpl.KVCache\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
