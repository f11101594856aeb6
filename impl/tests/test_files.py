"""Prompt caches as files: both of mlx-lm's layouts, whole or not at all, nothing taken on trust.

The files in ``data`` were written by mlx-lm 0.31.3 and 0.32.2 themselves, from what ``layers``
below builds with their caches.
"""

import importlib.metadata
import json
import struct
from pathlib import Path

import mlx.core as mx
import pytest
from packaging.version import Version

import kvimpl

DATA = Path(__file__).parent / "data"
LAYOUTS = {"0.31": "mlx_lm_0.31.3", "0.32": "mlx_lm_0.32.2"}
METADATA = {"model": "tiny", "prompt": "1"}
OLD_MLX = Version(importlib.metadata.version("mlx")) <= Version("0.32.0")


def driven(cache, paint, *sizes, step=2, **geometry):
    cache.step = step
    token = 1
    for S in sizes:
        cache.update_and_fetch(*paint(range(token, token + S), **geometry))
        token += S
    return cache


def layers(module, paint):
    """One of every kind that both layouts can hold, some in a state that is easily lost."""
    trimmed = driven(module.KVCache(), paint, 5, 1, H=2, Dv=3)
    trimmed.trim(2)
    chunked = driven(module.ChunkedKVCache(3), paint, 4)
    chunked.maybe_trim_front()
    arrays = module.ArraysCache(2)
    arrays[0], arrays[1] = paint([1, 2], B=2)
    return [
        driven(module.ConcatenateKVCache(), paint, 3),
        trimmed,
        driven(module.RotatingKVCache(4, keep=1), paint, 3, 1, 1, 1),
        chunked,
        driven(module.QuantizedKVCache(32, 4), paint, 3, D=32),
        arrays,
        driven(module.BatchKVCache([1, 0]), paint, 3, 1, B=2),
        driven(module.BatchRotatingKVCache(4, [1, 0]), paint, 3, 1, 1, B=2),
        module.CacheList(
            driven(module.KVCache(), paint, 2),
            module.CacheList(driven(module.RotatingKVCache(3), paint, 2), arrays),
        ),
    ]


def half_used(module, paint):
    """What only the layout since 0.32.0 can hold: empty caches and slots, padding to come."""
    arrays = module.ArraysCache(3, left_padding=[1, 2])
    arrays[1] = mx.arange(4).reshape(2, 2)
    return [
        module.KVCache(),
        module.RotatingKVCache(8, keep=2),
        module.ChunkedKVCache(4),
        module.QuantizedKVCache(64, 8),
        module.ArraysCache(2),
        arrays,
        module.BatchKVCache([2, 0]),
        module.BatchRotatingKVCache(8, [2, 0]),
        module.CacheList(module.KVCache(), arrays),
        driven(module.KVCache(), paint, 1),
    ]


@pytest.fixture
def described(bits):
    """Return all that a cache holds, by mlx-lm's names."""

    def described(cache):
        children = getattr(cache, "caches", None)
        if children is not None:
            return type(cache).__name__, [described(child) for child in children]
        names = set(vars(cache)) - {"step", "_pending", "_right_padding", "_lengths", "_room"}
        return type(cache).__name__, {name: bits(getattr(cache, name)) for name in sorted(names)}

    return described


@pytest.fixture
def path(tmp_path):
    return tmp_path / "prompt.safetensors"


@pytest.mark.parametrize("make", [layers, half_used])
def test_what_is_saved_comes_back_buffers_and_all(make, path, paint, described):
    caches = make(kvimpl, paint)
    before = [described(cache) for cache in caches]
    kvimpl.save_prompt_cache(path, caches, METADATA)
    loaded, metadata = kvimpl.load_prompt_cache(path, return_metadata=True)
    assert [described(cache) for cache in loaded] == before
    assert metadata == METADATA
    assert [described(cache) for cache in caches] == before


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16, mx.int8])
@pytest.mark.parametrize("others", [0, 1])
def test_arrays_without_elements_come_back_under_every_mlx(
    others, dtype, layout, path, paint, bits
):
    """mlx up to 0.32.0 cannot save them."""
    cache = kvimpl.ConcatenateKVCache()
    cache.update_and_fetch(mx.zeros((2, 1, 0, 4), dtype), mx.zeros((2, 1, 0, 3), dtype))
    full = [driven(kvimpl.KVCache(), paint, 3) for _ in range(others)]
    kvimpl.save_prompt_cache(path, [*full, cache], METADATA, layout=layout)
    loaded, metadata = kvimpl.load_prompt_cache(path, return_metadata=True)
    assert [logical(c, bits) for c in loaded] == [logical(c, bits) for c in [*full, cache]]
    assert metadata == METADATA


def logical(cache, bits):
    """Return what the layout up to 0.31.3 keeps."""
    return type(cache), bits(cache.state), cache.meta_state


def test_the_older_layout_keeps_what_is_logically_there(path, paint, bits):
    caches = layers(kvimpl, paint)
    kvimpl.save_prompt_cache(path, caches, layout="0.31")
    loaded = kvimpl.load_prompt_cache(path)
    assert [logical(c, bits) for c in loaded] == [logical(c, bits) for c in caches]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_of_mlx_lm_s_own_holds_the_same_caches(layout, paint, bits):
    loaded, metadata = kvimpl.load_prompt_cache(
        DATA / f"{LAYOUTS[layout]}.safetensors", return_metadata=True
    )
    assert [logical(c, bits) for c in loaded] == [logical(c, bits) for c in layers(kvimpl, paint)]
    assert metadata == METADATA


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_file_written_has_what_mlx_lm_s_own_has(layout, path, paint, bits):
    kvimpl.save_prompt_cache(path, layers(kvimpl, paint), METADATA, layout=layout)
    (ours, strings), (theirs, their_strings) = (
        mx.load(str(file), return_metadata=True)
        for file in (path, DATA / f"{LAYOUTS[layout]}.safetensors")
    )
    assert strings == their_strings
    # Where there is nothing, mlx-lm writes an array of no elements, which not every mlx can.
    nothing = {strings[key[:-1] + "0"] for key, text in strings.items() if text == "none"}
    for arrays in (ours, theirs):
        for name in nothing:
            del arrays[name]
    assert {k: bits(v) for k, v in ours.items()} == {k: bits(v) for k, v in theirs.items()}


@pytest.mark.parametrize("make", [layers, half_used])
def test_the_installed_mlx_lm_reads_the_file(make, path, paint, reference, described):
    if not hasattr(reference._BaseCache, "from_state") or hasattr(
        reference._BaseCache, "meta_state"
    ):
        pytest.skip("this mlx-lm has the older layout")
    caches = make(kvimpl, paint)
    kvimpl.save_prompt_cache(path, caches, METADATA)
    loaded, metadata = reference.load_prompt_cache(str(path), return_metadata=True)
    assert [described(cache) for cache in loaded] == [described(cache) for cache in caches]
    assert metadata == METADATA


@pytest.mark.parametrize("make", [layers, half_used])
@pytest.mark.skipif(OLD_MLX, reason="this mlx cannot save an empty array, and mlx-lm does")
def test_a_file_of_the_installed_mlx_lm_is_read(make, path, paint, reference, described):
    caches = make(reference, paint)
    reference.save_prompt_cache(str(path), caches, METADATA)
    expected = make(kvimpl, paint)
    assert [described(c) for c in kvimpl.load_prompt_cache(path)] == [
        described(c) for c in expected
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_of_no_caches(layout, path):
    kvimpl.save_prompt_cache(path, [], layout=layout)
    assert kvimpl.load_prompt_cache(path, return_metadata=True) == ([], {})


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("metadata", [{"a.b": "1"}, {"0": "1", "1": "2"}, {"a": "", "": "x"}])
def test_any_strings_can_be_metadata(layout, metadata, path, paint):
    """mlx-lm reads dots and digits in a key as the path of a list or dict."""
    kvimpl.save_prompt_cache(path, [driven(kvimpl.KVCache(), paint, 2)], metadata, layout=layout)
    assert kvimpl.load_prompt_cache(path, return_metadata=True)[1] == metadata


def test_a_name_without_a_suffix_gets_one(tmp_path, paint):
    kvimpl.save_prompt_cache(str(tmp_path / "a.b"), [driven(kvimpl.KVCache(), paint, 2)])
    assert [p.name for p in tmp_path.iterdir()] == ["a.b.safetensors"]


def test_positions_past_32_and_63_bits_survive(path, paint):
    cache = driven(kvimpl.RotatingKVCache(4), paint, 1)
    for offset in (2**31, 2**63, 2**64 - 2):
        cache.set_meta_state(["0", "4", str(offset), "1"])
        kvimpl.save_prompt_cache(path, [cache])
        assert kvimpl.load_prompt_cache(path)[0].offset == offset


def test_what_was_loaded_outlives_its_file(path, paint, bits):
    """mlx-lm's arrays are read when they are first used, from whatever the file is by then."""
    cache = driven(kvimpl.KVCache(), paint, 3)
    kvimpl.save_prompt_cache(path, [cache])
    (loaded,) = kvimpl.load_prompt_cache(path)
    path.write_bytes(b"")
    assert bits(loaded.keys_and_values()) == bits(cache.keys_and_values())


def test_what_was_loaded_goes_on_as_what_was_saved(path, paint, bits):
    for cache in layers(kvimpl, paint):
        if not hasattr(cache, "update_and_fetch"):
            continue
        kvimpl.save_prompt_cache(path, [cache])
        (loaded,) = kvimpl.load_prompt_cache(path)
        loaded.step = cache.step
        quantized = isinstance(cache, kvimpl.QuantizedKVCache)
        H, D, Dv = (1, 32, 32) if quantized else (cache.keys.shape[1], 1, cache.values.shape[3])
        for S in (1, 2, 1):
            update = paint(range(S), B=2 if "Batch" in type(cache).__name__ else 1, H=H, D=D, Dv=Dv)
            assert bits(loaded.update_and_fetch(*update)) == bits(cache.update_and_fetch(*update))


# What cannot be written


@pytest.mark.parametrize("i", range(10))
def test_the_older_layout_refuses_what_it_would_lose(i, path, paint):
    cache = half_used(kvimpl, paint)[i]
    filled = driven(kvimpl.KVCache(), paint, 2)
    if i == 9:
        kvimpl.save_prompt_cache(path, [filled, cache], layout="0.31")
        return
    with pytest.raises(kvimpl.LayerError) as caught:
        kvimpl.save_prompt_cache(path, [filled, cache], layout="0.31")
    assert caught.value.layer == 1
    assert not path.exists()


class Unwritable:
    """A cache of no kind."""


def prepared(cache):
    cache.prepare(lengths=[1, 2], right_padding=[1, 0])
    return cache


@pytest.mark.parametrize(
    ("bad", "inner"),
    [
        (Unwritable(), kvimpl.UnknownKindError),
        (kvimpl.CacheList(kvimpl.KVCache(), Unwritable()), kvimpl.UnknownKindError),
        (prepared(kvimpl.BatchKVCache([0, 0])), kvimpl.InvariantViolationError),
        (prepared(kvimpl.BatchRotatingKVCache(4, [0, 0])), kvimpl.InvariantViolationError),
    ],
)
def test_a_save_that_is_refused_leaves_the_old_file(bad, inner, path, paint):
    kvimpl.save_prompt_cache(path, [driven(kvimpl.KVCache(), paint, 2)])
    before = path.read_bytes()
    with pytest.raises(kvimpl.LayerError) as caught:
        kvimpl.save_prompt_cache(path, [kvimpl.KVCache(), bad])
    assert (caught.value.layer, type(caught.value.inner)) == (1, inner)
    assert path.read_bytes() == before


def test_a_save_that_fails_leaves_nothing_behind(path, paint):
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        kvimpl.save_prompt_cache(path, [driven(kvimpl.KVCache(), paint, 2)])
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("metadata", [{"a": 1}, {1: "a"}, {"a": {"b": "c"}}])
def test_metadata_is_strings(metadata, path):
    with pytest.raises(kvimpl.MetaParseError):
        kvimpl.save_prompt_cache(path, [kvimpl.KVCache()], metadata)


def test_an_unknown_layout_is_refused(path):
    with pytest.raises(kvimpl.UnknownKindError):
        kvimpl.save_prompt_cache(path, [kvimpl.KVCache()], layout="0.33")


# What cannot be read


def write(path, arrays, strings):
    mx.save_safetensors(str(path), arrays, strings)


def header(entries, data=b""):
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape, offsets, dtype="F32"):
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", kvimpl.LengthMismatchError),
        (b"1234567", kvimpl.LengthMismatchError),
        (struct.pack("<Q", 100) + b"{}", kvimpl.LengthMismatchError),
        (struct.pack("<Q", 2**63) + b"{}", kvimpl.CapExceededError),
        (header(b"{}}"), kvimpl.MetaParseError),
        (header(b"\xff\xfe"), kvimpl.MetaParseError),
        (header([]), kvimpl.MetaParseError),
        (header(b"[" * 200_000), kvimpl.CapExceededError),
        (header({"__metadata__": {"a": 1}}), kvimpl.MetaParseError),
        (header({"a": 1}), kvimpl.MetaParseError),
        (header({"a": {"dtype": "F32"}}), kvimpl.MetaParseError),
        (header(tensor([1], [0, 4], dtype="F33")), kvimpl.MetaParseError),
        (header(tensor([1], [0, 4], dtype=["F32"])), kvimpl.MetaParseError),
        (header(tensor([-1], [0, 4])), kvimpl.MetaParseError),
        (header(tensor([1.0], [0, 4])), kvimpl.MetaParseError),
        (header(tensor([1] * 33, [0, 4])), kvimpl.MetaParseError),
        (header(tensor([1], [0, 4, 8])), kvimpl.MetaParseError),
        (header(tensor([2], [0, 4]), bytes(4)), kvimpl.LengthMismatchError),
        (header(tensor([2**60], [0, 2**62])), kvimpl.LengthMismatchError),
        (header(tensor([2], [0, 8]), bytes(4)), kvimpl.LengthMismatchError),
    ],
)
def test_a_malformed_file_is_refused(content, error, path):
    path.write_bytes(content)
    with pytest.raises(error):
        kvimpl.load_prompt_cache(path)


def test_a_missing_file_is_the_systems_to_report(path):
    with pytest.raises(FileNotFoundError):
        kvimpl.load_prompt_cache(path)


def test_a_file_past_all_sense_is_not_read(path, monkeypatch):
    kvimpl.save_prompt_cache(path, [kvimpl.KVCache()])
    monkeypatch.setattr("kvimpl.files.MAX_FILE_BYTES", 100)
    with pytest.raises(kvimpl.CapExceededError) as caught:
        kvimpl.load_prompt_cache(path)
    assert caught.value.cap_name == "file size"


@pytest.mark.parametrize("cut", [1, 9, 200])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_truncated_file_is_refused(cut, layout, path, paint):
    kvimpl.save_prompt_cache(path, [driven(kvimpl.KVCache(), paint, 9)], layout=layout)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(kvimpl.LengthMismatchError):
        kvimpl.load_prompt_cache(path)


KV = mx.zeros((1, 1, 2, 1))
FULL = {"0.0": KV, "0.1": KV}


@pytest.mark.parametrize(
    ("arrays", "strings", "error"),
    [
        (FULL, {}, kvimpl.LengthMismatchError),
        (FULL, {"2.0": "KVCache", "0.0": "", "0.1": "2"}, kvimpl.LengthMismatchError),
        (FULL | {"1.0": KV}, {"2.0": "KVCache", "0.0": ""}, kvimpl.LengthMismatchError),
        (FULL, {"2.0": "KVCache", "3.0": "x"}, kvimpl.LengthMismatchError),
        (FULL, {"2.0": "KVCache", "2.2": "KVCache"}, kvimpl.MetaParseError),
        (FULL, {"2.0": "KVCache", "0": "x"}, kvimpl.MetaParseError),
        (FULL | {"0.0.0": KV}, {"2.0": "KVCache"}, kvimpl.MetaParseError),
        ({"0" + ".0" * 5000: KV}, {"2.0": "CacheList"}, kvimpl.CapExceededError),
        (FULL, {"2.0": "KVCache", "0" + ".1" * 5000: ""}, kvimpl.CapExceededError),
        (FULL, {"1.0": "KVCache", "2.0": "", "2.1": "x"}, kvimpl.MetaParseError),
        (FULL, {"1.0": "KVCache", "2.0": "", "2.1.0": "9.9", "2.1.1": "none"}, kvimpl.MetaParseError),
        (FULL, {"1.0": "KVCache", "2.0": "", "2.1.0": "0.0", "2.1.1": "list"}, kvimpl.MetaParseError),
        (FULL, {"1.0": "KVCache", "2.0": "", "2.1.0": "0.0", "2.1.1": "scalar"}, kvimpl.MetaParseError),
        (FULL, {"1.0": "KVCache", "2.0": "", "2.1.0": "0.0", "2.1.1": "string"}, kvimpl.MetaParseError),
    ],
)  # fmt: skip
def test_a_file_whose_parts_do_not_fit_is_refused(arrays, strings, error, path):
    write(path, arrays, strings)
    with pytest.raises(error):
        kvimpl.load_prompt_cache(path)


def nested_names(depth):
    """The older layout's metadata for lists in lists."""
    names, meta = {}, "0.1"
    for _ in range(depth):
        names[f"{meta}.0.0"] = "CacheList"
        meta += ".1.0"
    return names


@pytest.mark.parametrize(
    ("arrays", "strings", "inner"),
    [
        ({"1.0": KV, "1.1": KV}, {"2.1": "Unheard"}, kvimpl.UnknownKindError),
        ({"1.0": KV}, {"2.1": "KVCache"}, kvimpl.OutOfRangeError),
        ({"1.0": KV, "1.1": KV[0]}, {"2.1": "KVCache"}, kvimpl.RankMismatchError),
        ({"1.0": KV, "1.1": KV[:, :, :1]}, {"2.1": "KVCache"}, kvimpl.ShapePairMismatchError),
        ({"1.0": KV, "1.1.0": KV}, {"2.1": "KVCache"}, kvimpl.MetaParseError),
        ({"1.0": KV, "1.2": KV}, {"2.1": "KVCache"}, kvimpl.MetaParseError),
        ({"1.0": KV, "1.1": KV}, {"2.1": "KVCache", "0.1.0": "2"}, kvimpl.LengthMismatchError),
        ({"1.0": KV, "1.1": KV}, {"2.1": "KVCache", "0.1.0.0": "2"}, kvimpl.MetaParseError),
        ({"1.0": KV, "1.1": KV}, {"2.1": "RotatingKVCache"}, kvimpl.LengthMismatchError),
        ({"1.0": KV, "1.1": KV}, {"2.1": "QuantizedKVCache"}, kvimpl.MetaParseError),
        ({"1.0.0": KV, "1.0.1": KV}, {"2.1": "CacheList"}, kvimpl.LengthMismatchError),
        ({"1.0": KV}, {"2.1": "CacheList"} | nested_names(20), kvimpl.CacheError),
    ],
)
def test_a_layer_that_cannot_be_restored_is_named(arrays, strings, inner, path):
    write(path, FULL | arrays, {"2.0": "KVCache", "0.0": ""} | strings)
    with pytest.raises(kvimpl.LayerError) as caught:
        kvimpl.load_prompt_cache(path)
    assert caught.value.layer == 1
    assert isinstance(caught.value.inner, inner)


def spoiled(path, cache, changes):
    """Save a cache in the layout since 0.32.0, then change arrays of it."""
    kvimpl.save_prompt_cache(path, [cache])
    arrays, strings = mx.load(str(path), return_metadata=True)
    mx.eval(arrays)
    write(path, arrays | {f"0.{key[1:]}": array for key, array in changes.items()}, strings)


@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (lambda paint: driven(kvimpl.KVCache(), paint, 2), {"_2": mx.array(3)}),
        (lambda paint: driven(kvimpl.KVCache(), paint, 2), {"_2": mx.array(-1)}),
        (lambda paint: driven(kvimpl.KVCache(), paint, 2), {"_2": mx.array(1.5)}),
        (lambda paint: driven(kvimpl.KVCache(), paint, 2), {"_3": mx.array(1)}),
        (lambda paint: kvimpl.KVCache(), {"_2": mx.array(1)}),
        (lambda paint: driven(kvimpl.RotatingKVCache(4), paint, 2), {"_5": mx.array(9)}),
        (lambda paint: driven(kvimpl.RotatingKVCache(4), paint, 2), {"_4": mx.array(0)}),
        (lambda paint: driven(kvimpl.ChunkedKVCache(4), paint, 2), {"_4": mx.array(3)}),
        (lambda paint: driven(kvimpl.QuantizedKVCache(32), paint, 2, D=32), {"_4": mx.array(7)}),
        (lambda paint: driven(kvimpl.QuantizedKVCache(32), paint, 2, D=32), {"_2": mx.array(9)}),
        (lambda paint: driven(kvimpl.BatchKVCache([0]), paint, 2), {"_4": mx.array(9)}),
        (lambda paint: driven(kvimpl.BatchKVCache([0]), paint, 2), {"_3": mx.array([0.5])}),
        (lambda paint: driven(kvimpl.BatchRotatingKVCache(4, [0]), paint, 2), {"_7": mx.array(1)}),
        (lambda paint: driven(kvimpl.BatchRotatingKVCache(4, [0]), paint, 2), {"_7": mx.array(True)}),
    ],
)  # fmt: skip
def test_attributes_that_make_no_cache_are_refused(make, changes, path, paint):
    spoiled(path, make(paint), changes)
    with pytest.raises(kvimpl.LayerError) as caught:
        kvimpl.load_prompt_cache(path)
    assert caught.value.layer == 0
