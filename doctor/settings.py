"""The settings of the doctor: which containers to examine, what it may do. From module parameters or doctor.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, FrozenSet, Iterable, Mapping, Tuple

from .parameters import REMEDIES

STATE_DIR = "/var/lib/twinport/doctor"
EVERY_REMEDY = frozenset(REMEDIES)


class SettingsError(ValueError):
    """A setting has the wrong shape; the message names it."""


@dataclass(frozen=True)
class Target:
    """A container to look at. ``expected``: its absence is a fault."""

    name: str
    engine: str
    expected: bool = True


@dataclass(frozen=True)
class Pip:
    """Where Python requirements come from: an index, or a folder of wheels on the host."""

    index_url: str = ""
    wheel_dir: str = ""


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on. Times are seconds, sizes are bytes."""

    targets: Tuple[Target, ...] = ()
    projects: Tuple[str, ...] = ()
    gpu: bool = False
    allow: FrozenSet[str] = EVERY_REMEDY
    allow_delete: bool = False
    cures_per_hour: int = 3
    verify_timeout: float = 180.0
    loop_window: float = 900.0
    state_dir: str = STATE_DIR
    disk_paths: Tuple[str, ...] = ("/", "/var/lib/docker", "/var/lib/containerd", "/var/lib/twinport")
    disk_minimum: int = 5 << 30
    pip: Pip = field(default_factory=Pip)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def _remedies(kinds: Iterable[str]) -> FrozenSet[str]:
    unknown = sorted(set(kinds) - EVERY_REMEDY)
    if unknown:
        raise ValueError(f"unknown remedies: {', '.join(unknown)}; known: {', '.join(sorted(EVERY_REMEDY))}")
    return frozenset(kinds)


_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "targets": lambda value: tuple(Target(**target) for target in value),
    "projects": tuple,
    "gpu": bool,
    "allow": _remedies,
    "allow_delete": bool,
    "cures_per_hour": int,
    "verify_timeout": float,
    "loop_window": float,
    "state_dir": str,
    "disk_paths": tuple,
    "disk_minimum": int,
    "pip": lambda value: Pip(**value),
}


def parse_settings(data: Mapping[str, Any], files: Mapping[str, bytes]) -> Settings:
    """Settings from the plain mapping of the module or of doctor.json; ``files`` are the replacements by name.

    Raises SettingsError with the name of the key that is unknown or has the wrong shape.
    """
    values: Dict[str, Any] = {}
    for key, value in data.items():
        if key not in _CONVERTERS:
            raise SettingsError(f"unknown setting {key!r}")
        try:
            values[key] = _CONVERTERS[key](value)
        except (TypeError, ValueError) as error:
            raise SettingsError(f"setting {key!r} has the wrong shape: {error}") from error
    return Settings(files=files, **values)
