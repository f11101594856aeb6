"""The ledger: the differences that are known, each with its reason.

A difference that an entry matches is declared and passes. An entry whose differences are gone is
stale, one that matches no scenario is a mistake, and one whose date has passed has run out: all
three fail a run of all that the ledger speaks of.
"""

from kvparity.ledger.declare import Ledger
from kvparity.ledger.entries import Entry, Found, Match
from kvparity.ledger.files import OWN, LedgerError, between, check_draft, draft, load, without

__all__ = [
    "OWN",
    "Entry",
    "Found",
    "Ledger",
    "LedgerError",
    "Match",
    "between",
    "check_draft",
    "draft",
    "load",
    "without",
]
