"""Finding a cache again by the tokens that it holds: the trie, and the LRU on top of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kvscenarios.base import CacheRef, Count, Model
from kvscenarios.steps.base import MakingStep, Nothing, Step
from kvscenarios.tokens import Row, Tokens

ModelKey = str | None | Annotated[tuple[str | None, ...], Field(max_length=8)]


class PromptKey(Model):
    """What a model is known by, a name or several as mlx-lm's server has it, and a prompt."""

    model: ModelKey = "m"
    tokens: Tokens

    @property
    def prompt(self) -> Row:
        """The prompt's tokens."""
        return self.tokens[0]


class TrieEntry(PromptKey):
    """A prompt and the word that is stored for it."""

    value: str


class TrieAdd(Step):
    """Store a word for a prompt in a trie."""

    op = "trie_add"
    trie_add: TrieEntry


class TrieGet(Step):
    """What is stored for exactly this prompt."""

    op = "trie_get"
    trie_get: PromptKey


class TriePop(Step):
    """Take out what is stored for exactly this prompt."""

    op = "trie_pop"
    trie_pop: PromptKey


class TriePopPrefixes(Step):
    """Take out what is stored for the prompt's true prefixes."""

    op = "trie_pop_prefixes"
    trie_pop_prefixes: PromptKey


class TrieSearch(Step):
    """The exact match, or the nearest shorter and longer ones."""

    op = "trie_search"
    trie_search: PromptKey


class LruEntry(PromptKey):
    """A prompt, the caches that hold it, and who wrote its last part."""

    caches: Annotated[tuple[CacheRef, ...], Field(max_length=64)]
    cache_type: str | None = None


class LruInsert(Step):
    """Give caches to the LRU."""

    op = "lru_insert"
    lru_insert: LruEntry

    @property
    def targets(self) -> tuple[str, ...]:
        """The LRU, and the caches that it is given."""
        return (*super().targets[:1], *self.lru_insert.caches)


class LruFetch(MakingStep):
    """The nearest caches for a prompt, as `as.0`, `as.1`, ..., and the tokens still to do."""

    op = "lru_fetch"
    lru_fetch: PromptKey


class TrimToArgs(Model):
    """How much may stay."""

    n_sequences: Count | None = None
    n_bytes: Count | None = None


class LruTrimTo(Step):
    """Evict until no more than this is left."""

    op = "lru_trim_to"
    lru_trim_to: TrimToArgs


class LruStats(Step):
    """Sequences and bytes by cache type."""

    op = "lru_stats"
    lru_stats: Nothing
