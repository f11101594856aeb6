"""The scenario language: what one may say about a KV cache, how it is read, and the corpus.

A scenario is data: named caches and a list of steps. Nothing here runs one, and nothing here
needs mlx; `kvparity` plays scenarios on implementations.
"""

from kvscenarios.errors import ScenarioError
from kvscenarios.loader import load_corpus, load_file, load_text
from kvscenarios.model import Scenario

__all__ = ["Scenario", "ScenarioError", "load_corpus", "load_file", "load_text"]
