# SPDX-License-Identifier: Apache-2.0
"""Docker's daemon.json on this host, and one owner's record of what it holds there."""

from __future__ import annotations

import dataclasses
import json
import stat
from pathlib import Path
from typing import Any, Dict, Tuple

from .daemon_settings import Holding, Merge, merge
from .durable_files import replace_file
from .host_commands import text_of


class DaemonFile:
    """The file at ``path``, and in ``state_dir`` what ``owner`` holds and the file as it was found."""

    def __init__(self, path: str, state_dir: str, owner: str) -> None:
        self.path = Path(path)
        self.record = Path(state_dir) / (owner + ".json")
        self.found = Path(state_dir) / "daemon.json.found"

    def read(self) -> Dict[str, Any]:
        """The document; {} where there is none, or none that Docker could read."""
        try:
            document = json.loads(text_of(str(self.path)) or "{}")
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}

    def holdings(self) -> Tuple[Holding, ...]:
        """What the owner holds."""
        text = text_of(str(self.record))
        rows = json.loads(text) if text else []
        return tuple(Holding(tuple(row["path"]), row["value"], row["had"], row["before"]) for row in rows)

    def set(self, settings: Dict[str, Any], document: Dict[str, Any]) -> None:
        """Hold these settings and no others; ``document`` is what the file holds now."""
        self.store(merge(document, self.holdings(), settings))

    def store(self, result: Merge) -> None:
        """Write the record first: a crash between the two must not make the owner's values look like someone else's."""
        record = render([dataclasses.asdict(holding) for holding in result.holdings])
        if result.actions:
            self._keep_found()
        if text_of(str(self.record)) != record:
            _store(self.record, record, 0o600)
        if result.actions:
            _store(self.path, self._as_found(result.document), 0o644)

    def _keep_found(self) -> None:
        """Before anybody's first change: the text, for its layout is lost in the document."""
        if self.path.exists() and not list(self.found.parent.glob("*.json*")):
            replace_file(str(self.found), self.path.read_bytes(), 0o600)

    def _as_found(self, document: Dict[str, Any]) -> str:
        text = text_of(str(self.found))
        return text if text.strip() and json.loads(text) == document else render(document)


def render(document: Any) -> str:
    """The text of a file for a document; "" for an empty one, which means that there is no file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n" if document else ""


def _store(path: Path, text: str, mode: int) -> None:
    """Write with ``mode``, unless the file has one of its own; an empty text means no file."""
    if text and path.exists():
        found = path.stat()
        replace_file(str(path), text.encode(), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
    elif text:
        replace_file(str(path), text.encode(), mode)
    elif path.exists():
        path.unlink()
