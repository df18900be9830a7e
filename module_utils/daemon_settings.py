# SPDX-License-Identifier: Apache-2.0
"""Merging settings of several owners into Docker's daemon.json, and taking them out again: rules only, no I/O.

A setting is a leaf of the document, named by its path: ``runtimes.nvidia.path`` is ``("runtimes", "nvidia", "path")``.
Each owner records, beside what it set, the previous value, to which a setting returns when its owner drops it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Iterator, List, Tuple

Path = Tuple[str, ...]
Document = Dict[str, Any]

# dockerd takes these over on SIGHUP; whatever else changes needs a restart.
RELOADABLE: FrozenSet[str] = frozenset(
    {
        "debug",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "shutdown-timeout",
    }
)


@dataclass(frozen=True)
class Holding:
    """A setting that an owner holds: its path, the value it set, and what was there before (``had`` False: nothing)."""

    path: Path
    value: Any
    had: bool = False
    before: Any = None


@dataclass(frozen=True)
class Merge:
    """The new document, what the owner now holds, and sentences about what changed."""

    document: Document
    holdings: Tuple[Holding, ...] = field(default=())
    actions: Tuple[str, ...] = field(default=())
    restart: bool = False


def leaves(document: Document, prefix: Path = ()) -> Iterator[Tuple[Path, Any]]:
    """Every setting of a document; lists and empty dictionaries are leaves."""
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value


def merge(document: Document, holdings: Tuple[Holding, ...], settings: Document) -> Merge:
    """Put ``settings`` into ``document`` and remove what the owner had set and no longer requests.

    An owned setting that someone else changed since is theirs now: dropping it keeps their value.
    """
    new = copy.deepcopy(document)
    held = {holding.path: holding for holding in holdings}
    wanted = dict(leaves(settings))
    kept: List[Holding] = []
    for path, holding in held.items():
        if path not in wanted:
            _give_up(new, holding)
    for path, value in wanted.items():
        had, before = _get(new, path)
        if path in held:
            had, before = held[path].had, held[path].before
        kept.append(Holding(path, copy.deepcopy(value), had, before))
        _set(new, path, copy.deepcopy(value))
    old_leaves, new_leaves = dict(leaves(document)), dict(leaves(new))
    touched = sorted(
        path
        for path in set(old_leaves) | set(new_leaves)
        if (path in old_leaves) != (path in new_leaves) or old_leaves.get(path) != new_leaves.get(path)
    )
    return Merge(
        document=new,
        holdings=tuple(kept),
        actions=tuple(_sentence(path, new_leaves) for path in touched),
        restart=any(path[0] not in RELOADABLE for path in touched),
    )


def fill(document: Document, holdings: Tuple[Holding, ...], defaults: Document) -> Document:
    """Those of ``defaults`` that nobody else has decided: absent from the document, or set by this owner.

    A group whose parts only make sense together is left out whole when somebody decided any part of it, and log options
    are left out when somebody chose another log driver, which may not know them.
    """
    ours = {holding.path for holding in holdings if _get(document, holding.path) == (True, holding.value)}
    foreign = {path for path, _value in leaves(document) if path not in ours}
    foreign_groups = {path[0] for path in foreign}
    chosen = {key: value for key, value in defaults.items() if key not in foreign_groups}
    if "log-driver" in foreign_groups or "log-opts" in foreign_groups:
        chosen = {key: value for key, value in chosen.items() if key not in ("log-driver", "log-opts")}
    return chosen


def _sentence(path: Path, document: Dict[Path, Any]) -> str:
    name = ".".join(path)
    return "set {0}".format(name) if path in document else "remove {0}".format(name)


def _give_up(document: Document, holding: Holding) -> None:
    has, current = _get(document, holding.path)
    if not has or current != holding.value:
        return
    if holding.had:
        _set(document, holding.path, holding.before)
    else:
        _remove(document, holding.path)


def _get(document: Document, path: Path) -> Tuple[bool, Any]:
    node: Any = document
    for key in path:
        if not isinstance(node, dict) or key not in node:
            return False, None
        node = node[key]
    return True, copy.deepcopy(node)


def _set(document: Document, path: Path, value: Any) -> None:
    node = document
    for key in path[:-1]:
        if not isinstance(node.get(key), dict):
            node[key] = {}
        node = node[key]
    node[path[-1]] = value


def _remove(document: Document, path: Path) -> None:
    node = document
    for key in path[:-1]:
        node = node[key]
    del node[path[-1]]
    if len(path) > 1 and not node:
        _remove(document, path[:-1])
