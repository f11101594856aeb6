"""The part of the interface that does not depend on how a kind keeps its tokens.

``BaseCache`` is any cache, ``UnboundedCache`` one that keeps every token, ``KeysValuesCache`` one
that holds a single buffer of keys and one of values. How a kind stores an update is not here.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import mlx.core as mx

from .buffers import Pair, check_pairing
from .errors import InvariantViolationError, LengthMismatchError, OutOfRangeError
from .masks import Mask, check_not_negative, create_attention_mask

if TYPE_CHECKING:
    from typing_extensions import Self


def count(context: str, n: int) -> int:
    """Return ``n`` as an int.

    Raises:
        TypeError: not a whole number.
        OutOfRangeError: negative.

    """
    n = operator.index(n)
    check_not_negative(context, n)
    return n


class BaseCache:
    """What every kind answers, with the answers of a kind that has nothing to say."""

    reference_class_name: ClassVar[str]
    """The class in ``mlx_lm.models.cache``; prompt-cache files carry this name."""

    max_size: int | None = None
    """The most tokens that the cache keeps, ``None`` when unbounded."""

    def empty(self) -> bool:
        """Tell whether nothing was ever stored. A cache trimmed to no tokens is not empty."""
        raise NotImplementedError

    def size(self) -> int:
        """Return the number of tokens; as in mlx-lm, kinds that cannot tell say 0."""
        return 0

    @property
    def nbytes(self) -> int:
        """The bytes of the tokens that are held."""
        return self.allocated_nbytes

    @property
    def allocated_nbytes(self) -> int:
        """The bytes of the buffers; mlx-lm calls this ``nbytes``."""
        raise NotImplementedError

    def is_trimmable(self) -> bool:
        """Tell whether ``trim`` can take tokens off the end."""
        return False

    @property
    def meta_state(self) -> list[str]:
        """What ``state`` leaves out, as the strings that a prompt-cache file carries."""
        return []

    @meta_state.setter
    def meta_state(self, meta: Sequence[str]) -> None:
        self.set_meta_state(meta)

    def set_meta_state(self, meta: Sequence[str]) -> None:
        """Take over metadata, all of it or none.

        Raises:
            LengthMismatchError: this kind has no metadata, and ``meta`` is not empty.

        """
        if meta:
            raise LengthMismatchError(f"{type(self).__name__}.set_meta_state", 0, len(meta))

    def materialize(self) -> None:
        """Evaluate the whole buffers, so that they hold no graph any longer."""
        raise NotImplementedError

    def copy(self) -> Self:
        """Return an independent cache with the same content; buffers part at the next write."""
        return copy.deepcopy(self)

    def as_quantized(self) -> BaseCache | None:
        """Return this cache if its keys and values are quantized, else ``None``."""
        return None

    def as_batch_positioned(self) -> BaseCache | None:
        """Return this cache if each row of the batch has its own position, else ``None``."""
        return None


class UnboundedCache(BaseCache):
    """A cache that keeps every token, each at its own row.

    Attributes:
        offset: the number of tokens, the position of the next one.

    """

    offset: int

    @property
    def rope_offset(self) -> int:
        """The position for rotary embeddings: one for all rows."""
        return self.offset

    def is_trimmable(self) -> bool:
        """Return true: any token can be taken off."""
        return True

    def trim(self, n: int) -> int:
        """Take up to ``n`` tokens off the end; returns how many that were.

        Raises:
            OutOfRangeError: ``n`` is negative.

        """
        n = min(self.offset, count(f"{type(self).__name__}.trim: n", n))
        self.offset -= n
        return n

    def make_mask(self, N: int, window_size: int | None = None, return_array: bool = False) -> Mask:
        """Return the mask for ``N`` tokens to be appended; see ``create_attention_mask``."""
        return create_attention_mask(N, self.offset, return_array, window_size)


class KeysValuesCache(BaseCache):
    """A cache with one buffer of keys and one of values, ``[B, n_kv_heads, rows, head_dim]``.

    Attributes:
        keys: the buffer, which may hold more rows than tokens; ``None`` while empty.
        values: likewise.
        offset: the tokens seen so far, the position of the next one.

    """

    keys: mx.array | None
    values: mx.array | None
    offset: int

    @property
    def rope_offset(self) -> int:
        """The position for rotary embeddings: one for all rows."""
        return self.offset

    def empty(self) -> bool:
        """Tell whether there are no buffers. A cache trimmed to no tokens still has some."""
        return self.keys is None

    @property
    def allocated_nbytes(self) -> int:
        """The bytes of both buffers; mlx-lm calls this ``nbytes``."""
        if self.keys is None or self.values is None:
            return 0
        return self.keys.nbytes + self.values.nbytes

    @property
    def nbytes(self) -> int:
        """The bytes of the tokens that are held."""
        return sum(array.nbytes for array in self.state)

    def materialize(self) -> None:
        """Evaluate both buffers whole, so that they hold no graph any longer."""
        if self.keys is not None and self.values is not None:
            mx.eval(self.keys, self.values)

    def keys_and_values(self) -> Pair:
        """Return the tokens as attention reads them, each array under a handle of its own.

        Raises:
            InvariantViolationError: the cache is empty.

        """
        raise NotImplementedError

    def _held(self, context: str) -> Pair:
        if self.keys is None or self.values is None:
            raise InvariantViolationError(context, "the cache must not be empty")
        return self.keys, self.values

    @property
    def state(self) -> list[mx.array]:
        """Keys and values as ``keys_and_values`` gives them, or ``[]``.

        Set it to two 4-D arrays of equal B, n_kv_heads and S, or to ``[]``.

        Raises:
            OutOfRangeError: neither 0 nor 2 arrays.
            RankMismatchError, ShapePairMismatchError: arrays that are no keys and values.

        """
        return [] if self.keys is None else list(self.keys_and_values())

    @state.setter
    def state(self, arrays: Sequence[mx.array]) -> None:
        context = f"{type(self).__name__}.state"
        if len(arrays) not in (0, 2):
            raise OutOfRangeError(f"{context}: array count", "must be 0 or 2", len(arrays))
        if not arrays:
            self._replace(None, None)
            return
        keys, values = arrays
        check_pairing(context, keys, values)
        self._replace(keys[...], values[...])

    def _replace(self, keys: mx.array | None, values: mx.array | None) -> None:
        offset = 0 if keys is None else keys.shape[2]
        self.keys, self.values, self.offset = keys, values, offset

    @classmethod
    def from_state(cls, state: Sequence[mx.array], meta_state: Sequence[str] = ()) -> Self:
        """Return a cache out of another's ``state`` and ``meta_state``.

        Raises:
            CacheError: what setting the two raises.

        """
        cache = cls._blank()
        cache.state = list(state)
        cache.set_meta_state(meta_state)
        return cache

    @classmethod
    def _blank(cls) -> Self:
        """Return an empty cache whose parameters the metadata is to fill in."""
        return cls()
