"""What the doctor remembers between runs: the cures it tried. One JSON file, written beside and renamed."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .times import earlier_by

SCHEMA = 1
KEPT = 500  # cures remembered
HOUR = 3600.0


@dataclass(frozen=True)
class Cure:
    """One cure: of which error, where, in which start of the container, when it ended and whether it helped.

    ``verified`` is None until a later look decides. ``started_after`` is the container's start that the cure led to.
    """

    error: str
    where: str
    remedy: str
    at: str
    started_after: str
    verified: Optional[bool]


class Memory:
    """The cures of this host, oldest first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._totals: Dict[str, int] = {}
        self._cures: Tuple[Cure, ...] = ()
        self._rested: Dict[str, str] = {}
        self.load()

    @property
    def cures(self) -> Tuple[Cure, ...]:
        """All remembered cures, oldest first."""
        return self._cures

    @property
    def total(self) -> int:
        """Cures tried since the doctor was installed."""
        return self._totals.get("tried", 0)

    @property
    def failed(self) -> int:
        """Cures that did not help, since the doctor was installed."""
        return self._totals.get("failed", 0)

    def last_cure(self, where: str) -> str:
        """When the last cure at a place ended; ``''`` when there was none."""
        return max((cure.at for cure in self._cures if cure.where == where), default="")

    def rested(self, where: str, error: str) -> str:
        """Until when lines of an error at a place do not count, because its cause was seen to be gone; or ``''``."""
        return self._rested.get(f"{where} {error}", "")

    def rest(self, where: str, error: str, until: str) -> None:
        """Let the lines of one error at a place rest, those of all others count as before."""
        self._rested[f"{where} {error}"] = until

    def tried(self, error: str, where: str, started_at: str) -> bool:
        """True when the error was treated in this start of the container and the cure is not known to have helped."""
        attempts = (c for c in self._cures if (c.error, c.where, c.started_after) == (error, where, started_at))
        return any(cure.verified is not True for cure in attempts)

    def recent(self, where: str, now: datetime) -> int:
        """Rounds of cures at a place in the last hour; cures that ended together are one round."""
        since = earlier_by(now, HOUR)
        return len({cure.at for cure in self._cures if cure.where == where and cure.at > since})

    def remember(self, cure: Cure) -> None:
        """Add a cure; ``save`` makes it last."""
        self._cures = (*self._cures, cure)[-KEPT:]
        self._count("tried", 1)
        self._count("failed", 1 if cure.verified is False else 0)

    def settle(self, where: str, verified: bool) -> None:
        """Decide the open cures of a place."""
        settled: List[Cure] = []
        for cure in self._cures:
            is_open = cure.where == where and cure.verified is None
            settled.append(replace(cure, verified=verified) if is_open else cure)
            self._count("failed", 1 if is_open and not verified else 0)
        self._cures = tuple(settled)

    def save(self) -> None:
        """Write the file."""
        document = {
            "schema": SCHEMA,
            "totals": self._totals,
            "cures": [asdict(cure) for cure in self._cures],
            "rested": self._rested,
        }
        write_json(self._path, document, mode=0o600)

    def _count(self, name: str, more: int) -> None:
        self._totals[name] = self._totals.get(name, 0) + more

    def load(self) -> None:
        """Read the file again; a missing or damaged one means that nothing is remembered."""
        document = read_json(self._path)
        if document.get("schema") != SCHEMA:
            return
        try:
            self._cures = tuple(Cure(**entry) for entry in document["cures"])
            self._totals = {str(key): int(value) for key, value in document["totals"].items()}
            self._rested = {str(key): str(value) for key, value in document.get("rested", {}).items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            self._cures, self._totals, self._rested = (), {}, {}  # a damaged file costs the memory, not the doctor


def read_json(path: Path) -> Mapping[str, Any]:
    """The mapping in a JSON file; empty when the file is missing or damaged."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def write_json(path: Path, document: Mapping[str, Any], *, mode: int) -> None:
    """Write beside, sync, rename: a reader sees the old document or the new one, never half of one."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, ensure_ascii=False, indent=1, sort_keys=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), mode)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink()
        raise
