"""The catalogue of known errors: what a fault looks like, why it happens and what cures it.

The file ``engine_patch/known_errors.yml`` is parsed on the control machine (or installed as JSON); this module turns
the plain mapping into frozen objects and refuses whatever it does not understand, naming the place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Sequence, Tuple

SCHEMA = 1
ENGINES = ("cosyvoice", "duix", "any", "host")
SOURCES = ("log", "state", "gpu", "host", "kernel")
SEVERITIES = ("fault", "warning", "request")
VERIFICATIONS = ("absence", "request")
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

    @classmethod
    def parse(cls, source: str) -> Pattern:
        """Split ``source``, which holds some literal text, at ``*``."""
        return cls(tuple(part for part in source.encode("utf-8").split(WILDCARD) if part))

    def find(self, line: bytes, start: int = 0, end: int = -1) -> int:
        """Position of the match in ``line[start:end]``, or -1. Linear: every piece is searched once, left to right."""
        end = len(line) if end < 0 else end
        first = position = line.find(self.parts[0], start, end)
        for number in range(1, len(self.parts)):
            if position < 0:
                return -1
            position = line.find(self.parts[number], position + len(self.parts[number - 1]), end)
        return first if position >= 0 else -1


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


def parse(data: Any, remedy_kinds: Iterable[str]) -> Catalogue:
    """Turn the parsed YAML or JSON into a Catalogue. Raises CatalogueError with the place of the first mistake."""
    root = _mapping(data, "catalogue", allowed=("schema", "benign", "errors"))
    if root.get("schema") != SCHEMA:
        raise CatalogueError(f"catalogue: schema must be {SCHEMA}, found {root.get('schema')!r}")
    kinds = frozenset(remedy_kinds)
    errors = tuple(_error(entry, number, kinds) for number, entry in enumerate(_list(root, "errors", "catalogue")))
    _check_references(errors)
    return Catalogue(errors=errors, benign=_patterns(root, "benign", "catalogue"))


_FIELDS = (
    "id",
    "engine",
    "severity",
    "sources",
    "patterns",
    "unless",
    "title",
    "cause",
    "advice",
    "remedies",
    "verify",
    "cost",
    "symptom",
    "leads_to",
    "reference",
)


def _error(data: Any, number: int, kinds: FrozenSet[str]) -> KnownError:
    name = data.get("id", number) if isinstance(data, dict) else number
    where = f"error {name!r}"
    entry = _mapping(data, where, allowed=_FIELDS)
    patterns = _patterns(entry, "patterns", where)
    if not patterns:
        raise CatalogueError(f"{where}: patterns must not be empty")
    return KnownError(
        id=_string(entry, "id", where),
        engine=_choice(entry, "engine", ENGINES, where),
        severity=_choice(entry, "severity", SEVERITIES, where),
        sources=_sources(entry, where),
        patterns=patterns,
        unless=_patterns(entry, "unless", where),
        title=_text(entry, "title", where),
        cause=_text(entry, "cause", where),
        advice=_text(entry, "advice", where),
        remedies=tuple(_remedy(item, where, kinds) for item in _list(entry, "remedies", where)),
        verify=_choice(entry, "verify", VERIFICATIONS, where, "absence"),
        cost=_choice(entry, "cost", COSTS, where, "none"),
        symptom=bool(entry.get("symptom", False)),
        leads_to=frozenset(_strings(entry, "leads_to", where)),
        reference=_string(entry, "reference", where),
    )


def _check_references(errors: Sequence[KnownError]) -> None:
    known = [error.id for error in errors]
    doubles = sorted({name for name in known if known.count(name) > 1})
    if doubles:
        raise CatalogueError(f"error ids must be unique: {', '.join(doubles)}")
    for error in errors:
        strangers = sorted(error.leads_to - set(known))
        if strangers:
            raise CatalogueError(f"error {error.id!r}: leads_to names unknown errors: {', '.join(strangers)}")


def _sources(entry: Mapping[str, Any], where: str) -> FrozenSet[str]:
    sources = _strings(entry, "sources", where) or ["log"]
    for source in sources:
        if source not in SOURCES:
            raise CatalogueError(f"{where}: sources must be among {', '.join(SOURCES)}, found {source!r}")
    return frozenset(sources)


def _remedy(data: Any, where: str, kinds: FrozenSet[str]) -> Remedy:
    entry = dict(_mapping(data, f"{where}: remedies"))
    kind = entry.pop("kind", None)
    if kind not in kinds:
        raise CatalogueError(f"{where}: unknown remedy kind {kind!r}; known: {', '.join(sorted(kinds))}")
    return Remedy(kind=kind, parameters=entry)


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
    strangers = sorted(str(key) for key in value if allowed and key not in allowed)
    if strangers:
        raise CatalogueError(f"{where}: unknown fields: {', '.join(strangers)}")
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
