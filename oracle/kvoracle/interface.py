"""What a release offers to a cache's users: its public classes, methods and functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kvoracle.sources import Sources

Interface = Mapping[str, str]
"""Each public name (`KVCache.trim`, `KVCache.state =`, `base.create_causal_mask`), with how it is
called."""


@dataclass(frozen=True)
class Changes:
    """What came, went and changed between two interfaces."""

    gone: tuple[str, ...]
    come: tuple[str, ...]
    changed: tuple[tuple[str, str, str], ...]
    """Name, the signature before, the signature after."""


def interface(sources: Sources) -> Interface:
    """The public names of `cache.py`, and those of `base.py` with `base.` in front."""
    return {
        **dict(_names(ast.parse(sources.cache), "")),
        **dict(_names(ast.parse(sources.base), "base.")),
    }


def changes(old: Interface, new: Interface) -> Changes:
    """What the users of the one have to look at before they use the other."""
    both = [name for name in old if name in new]
    return Changes(
        gone=tuple(name for name in old if name not in new),
        come=tuple(name for name in new if name not in old),
        changed=tuple((name, old[name], new[name]) for name in both if old[name] != new[name]),
    )


def _names(tree: ast.Module, prefix: str) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield prefix + node.name, _signature(node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bases = ", ".join(ast.unparse(base) for base in node.bases)
            yield prefix + node.name, f"class({bases})"
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and _is_public(part.name):
                    yield f"{prefix}{node.name}.{part.name}{_setting(part)}", _signature(part)


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name == "__init__"


def _setting(node: ast.FunctionDef) -> str:
    """What tells a property's setter from its getter, which has the same name."""
    words = {ast.unparse(word) for word in node.decorator_list}
    return " =" if f"{node.name}.setter" in words else ""


def _signature(node: ast.FunctionDef) -> str:
    words = [ast.unparse(word) for word in node.decorator_list]
    kind = next((f"{word} " for word in words if word in {"classmethod", "property"}), "")
    return f"{kind}({ast.unparse(node.args)})"
