"""The catalogue of known errors: what a fault looks like, why it happens and what cures it.

The file ``known_errors.yml`` is parsed on the control machine (or installed as JSON); this module turns
the plain mapping into frozen objects and refuses whatever it does not understand, naming the place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from .parameters import REMEDIES, WITNESSES, Kind, mistakes

SCHEMA = 1
ENGINES = ("cosyvoice", "duix", "gateway", "any", "host")
SOURCES = ("log", "state", "gpu", "host", "kernel")
SEVERITIES = ("fault", "warning", "request")
VERIFICATIONS = ("absence", "request")
DEFAULT_WITNESS = ("docker_state", "request_fails")
COSTS = ("none", "restart", "recreate", "rebuild", "docker_restart")
WILDCARD = b"*"


class CatalogueError(ValueError):
    """The catalogue does not have the documented shape; the message names the entry and the field."""


@dataclass(frozen=True)
class Text:
    """A sentence for users, in English and Chinese."""

    en: str
    zh: str


@dataclass(frozen=True)
class Pattern:
    """Literal pieces that must follow one another within one line; ``*`` in the source separates them."""

    parts: Tuple[bytes, ...]
    open_start: bool = False
    open_end: bool = False

    @classmethod
    def parse(cls, source: str) -> Pattern:
        """Split ``source``, which holds some literal text, at ``*``."""
        parts = tuple(part for part in source.encode("utf-8").split(WILDCARD) if part)
        return cls(parts, source.startswith("*"), source.endswith("*"))

    def find(self, line: bytes, start: int = 0, end: int = -1) -> int:
        """Position of the match in ``line[start:end]``, or -1. Linear: every piece is searched once, left to right."""
        end = len(line) if end < 0 else end
        first = position = line.find(self.parts[0], start, end)
        for number in range(1, len(self.parts)):
            if position < 0:
                return -1
            position = line.find(self.parts[number], position + len(self.parts[number - 1]), end)
        return first if position >= 0 else -1

    def find_at(self, text: bytes, first: int, last: int, whole: bool) -> int:
        """Position of a match that begins at ``first`` to ``last``, or -1.

        ``whole``: it must reach the end of the text. A pattern that begins or ends with ``*`` is not bound there.
        """
        head, end = self.parts, len(text)
        if whole and not self.open_end:
            if not text.endswith(self.parts[-1]):
                return -1
            end -= len(self.parts[-1])
            head = self.parts[:-1]
            if not head:
                return end if first <= end and (self.open_start or end <= last) else -1
        start = position = text.find(head[0], first, end if self.open_start else min(end, last + len(head[0])))
        for before, part in zip(head, head[1:]):  # noqa: RUF007 - pairwise came with Python 3.10
            position = text.find(part, position + len(before), end) if position >= 0 else -1
        return start if position >= 0 else -1


@dataclass(frozen=True)
class Witness:
    """A second look that has nothing to do with what was read: its kind (see ``witness.KINDS``) and parameters."""

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Remedy:
    """A remedy kind and its parameters; the kinds are listed in ``remedies.KINDS``."""

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class KnownError:
    """One entry of the catalogue. Field meanings: docs/doctor.md."""

    id: str
    engine: str
    severity: str
    sources: FrozenSet[str]
    patterns: Tuple[Pattern, ...]
    unless: Tuple[Pattern, ...]
    title: Text
    cause: Text
    advice: Text
    witness: Tuple[Witness, ...]
    remedies: Tuple[Remedy, ...]
    verify: str
    cost: str
    symptom: bool
    leads_to: FrozenSet[str]
    reference: str


@dataclass(frozen=True)
class Catalogue:
    """All known errors in the order of the file, and the lines that look like faults and are none."""

    errors: Tuple[KnownError, ...]
    benign: Tuple[Pattern, ...]

    def select(self, engine: str, source: str) -> Tuple[KnownError, ...]:
        """The errors that ``source`` of a container of ``engine`` (or of the ``host``) can show."""
        engines = ("host",) if engine == "host" else (engine, "any")
        return tuple(e for e in self.errors if e.engine in engines and source in e.sources)

    def by_id(self) -> Dict[str, KnownError]:
        """Errors by their id."""
        return {error.id: error for error in self.errors}


def parse(data: Any) -> Catalogue:
    """Turn the parsed YAML or JSON into a Catalogue. Raises CatalogueError with the place of the first mistake."""
    root = _mapping(data, "catalogue", allowed=("schema", "benign", "errors"))
    if root.get("schema") != SCHEMA:
        raise CatalogueError(f"catalogue: schema must be {SCHEMA}, found {root.get('schema')!r}")
    errors = tuple(_error(entry, number) for number, entry in enumerate(_list(root, "errors", "catalogue")))
    if not errors:
        raise CatalogueError("catalogue: errors must not be empty")
    _check_references(errors)
    return Catalogue(errors=errors, benign=_patterns(root, "benign", "catalogue"))


_FIELDS = tuple(known.name for known in fields(KnownError))
_REQUIRED = ("id", "engine", "severity", "patterns", "title", "cause", "advice", "reference")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _error(data: Any, number: int) -> KnownError:
    name = data.get("id", number) if isinstance(data, dict) else number
    where = f"error {name!r}"
    entry = _mapping(data, where, allowed=_FIELDS)
    _check_shape(entry, where)
    patterns = _patterns(entry, "patterns", where)
    if not patterns:
        raise CatalogueError(f"{where}: patterns must not be empty")
    sources = _sources(entry, where)
    if "log" in sources and entry.get("remedies") and any(pattern.open_start for pattern in patterns):
        raise CatalogueError(f"{where}: patterns in a log must begin with literal text where a cure follows")
    return KnownError(
        id=_string(entry, "id", where),
        engine=_choice(entry, "engine", ENGINES, where),
        severity=_choice(entry, "severity", SEVERITIES, where),
        sources=sources,
        patterns=patterns,
        unless=_patterns(entry, "unless", where),
        title=_text(entry, "title", where),
        cause=_text(entry, "cause", where),
        advice=_text(entry, "advice", where),
        witness=_witnesses(entry, where),
        remedies=tuple(
            Remedy(*_kind(item, f"{where}: remedies", REMEDIES)) for item in _list(entry, "remedies", where)
        ),
        verify=_choice(entry, "verify", VERIFICATIONS, where, "absence"),
        cost=_choice(entry, "cost", COSTS, where, "none"),
        symptom=entry.get("symptom", False),
        leads_to=frozenset(_strings(entry, "leads_to", where)),
        reference=_string(entry, "reference", where),
    )


def _check_shape(entry: Mapping[str, Any], where: str) -> None:
    lacking = [name for name in _REQUIRED if name not in entry]
    if lacking:
        raise CatalogueError(f"{where} lacks {', '.join(lacking)}")
    if not _ID.fullmatch(_string(entry, "id", where)):
        raise CatalogueError(f"{where}: id must be lower-case words and numbers joined by '-'")
    if not isinstance(entry.get("symptom", False), bool):
        raise CatalogueError(f"{where}: symptom must be true or false")
    for name in ("sources", "witness", "remedies"):
        if entry.get(name) == []:
            raise CatalogueError(f"{where}: {name} is empty; leave it out")


def _check_references(errors: Sequence[KnownError]) -> None:
    known = [error.id for error in errors]
    doubles = sorted({name for name in known if known.count(name) > 1})
    if doubles:
        raise CatalogueError(f"error ids must be unique: {', '.join(doubles)}")
    for error in errors:
        unknown = sorted(error.leads_to - set(known))
        if unknown:
            raise CatalogueError(f"error {error.id!r}: leads_to names unknown errors: {', '.join(unknown)}")


def _sources(entry: Mapping[str, Any], where: str) -> FrozenSet[str]:
    sources = _strings(entry, "sources", where) or ["log"]
    for source in sources:
        if source not in SOURCES:
            raise CatalogueError(f"{where}: sources must be among {', '.join(SOURCES)}, found {source!r}")
    return frozenset(sources)


def _witnesses(entry: Mapping[str, Any], where: str) -> Tuple[Witness, ...]:
    items = _list(entry, "witness", where) or [{"kind": kind} for kind in DEFAULT_WITNESS]
    return tuple(Witness(*_kind(item, f"{where}: witness", WITNESSES)) for item in items)


def _kind(data: Any, where: str, kinds: Mapping[str, Kind]) -> Tuple[str, Mapping[str, Any]]:
    """The kind that an item names, and its parameters."""
    kind = _choice(_mapping(data, where), "kind", tuple(kinds), where)
    parameters = {name: value for name, value in data.items() if name != "kind"}
    found = mistakes(kinds[kind], parameters)
    if found:
        raise CatalogueError(f"{where}: {kind}: {'; '.join(found)}")
    return kind, parameters


def _patterns(entry: Mapping[str, Any], key: str, where: str) -> Tuple[Pattern, ...]:
    sources = _strings(entry, key, where)
    if any(not source.replace("*", "") for source in sources):
        raise CatalogueError(f"{where}: {key} need some literal text, not only '*'")
    return tuple(Pattern.parse(source) for source in sources)


def _text(entry: Mapping[str, Any], key: str, where: str) -> Text:
    text = _mapping(entry.get(key), f"{where}: {key}", allowed=("en", "zh"))
    return Text(en=_string(text, "en", f"{where}: {key}"), zh=_string(text, "zh", f"{where}: {key}"))


def _mapping(value: Any, where: str, allowed: Sequence[str] = ()) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CatalogueError(f"{where} must be a mapping")
    unknown = sorted(str(key) for key in value if allowed and key not in allowed)
    if unknown:
        raise CatalogueError(f"{where}: unknown fields: {', '.join(unknown)}")
    return value


def _list(entry: Mapping[str, Any], key: str, where: str) -> List[Any]:
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise CatalogueError(f"{where}: {key} must be a list")
    return value


def _strings(entry: Mapping[str, Any], key: str, where: str) -> List[str]:
    value = _list(entry, key, where)
    if not all(isinstance(item, str) and item for item in value):
        raise CatalogueError(f"{where}: {key} must hold texts only, none of them empty")
    return value


def _string(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise CatalogueError(f"{where}: {key} must be a text that is not empty")
    return value


def _choice(entry: Mapping[str, Any], key: str, choices: Sequence[str], where: str, default: str = "") -> str:
    value = entry.get(key, default)
    if value not in choices:
        raise CatalogueError(f"{where}: {key} must be one of {', '.join(choices)}, found {value!r}")
    return str(value)
