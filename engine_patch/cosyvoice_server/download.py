"""Download of a model's files with ModelScope."""

from __future__ import annotations

import collections
import contextlib
import importlib
import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from .errors import last_line
from .files import flush

log = logging.getLogger(__name__)


class Download:
    """A model's download. Progress is the size of the cache's folders, so that a resumed one continues its count."""

    def __init__(self, model_id: str, attempts: int) -> None:
        self._model_id = model_id
        self._attempts = max(1, attempts)
        self._cache = Path(os.environ.get("MODELSCOPE_CACHE") or Path.home() / ".cache" / "modelscope")
        self._total: Optional[int] = None
        self._attempt = 0
        self._samples: collections.deque[Tuple[float, int]] = collections.deque(maxlen=10)
        self._over = threading.Event()

    @property
    def _receipt(self) -> Path:
        return self._cache / "twinport_downloads" / (self._model_id.replace("/", "--") + ".json")

    def finished_folder(self) -> Optional[str]:
        """The folder of an earlier download that is still complete; None without one. It needs no network."""
        try:
            receipt = json.loads(self._receipt.read_text("utf-8"))
            folder = Path(receipt["folder"])
            whole = all((folder / name).stat().st_size == size for name, size in receipt["files"].items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return str(folder) if whole else None

    def forget(self) -> None:
        """Make the next start download again, because the model's files are damaged."""
        with contextlib.suppress(OSError):
            self._receipt.unlink()

    def _note_finished(self, folder: Path) -> None:
        files = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        self._receipt.parent.mkdir(parents=True, exist_ok=True)
        beside = self._receipt.with_suffix(".new")
        beside.write_text(json.dumps({"folder": str(folder), "files": files}), "utf-8")
        flush(beside)
        beside.replace(self._receipt)

    def run(self) -> str:
        """Download with ModelScope, again after a failure; returns the model's folder. Raises the last failure."""
        self._total = self._ask_total()
        threading.Thread(target=self._report, name="download-progress", daemon=True).start()
        try:
            folder = self._fetch()
        finally:
            self._over.set()
        self._note_finished(folder)
        return str(folder)

    def _fetch(self) -> Path:
        fetch = importlib.import_module("modelscope").snapshot_download
        while True:
            self._attempt += 1
            try:
                return Path(fetch(self._model_id))
            except Exception as error:
                log.warning("download attempt %d of %d failed: %s", self._attempt, self._attempts, last_line(error))
                if self._attempt >= self._attempts:
                    raise
                time.sleep(min(60.0, 2.0**self._attempt))

    def _ask_total(self) -> Optional[int]:
        try:
            catalogue = importlib.import_module("modelscope.hub.api").HubApi()
            files = catalogue.get_model_files(self._model_id, recursive=True)
            return sum(int(file.get("Size") or 0) for file in files) or None
        except Exception as error:  # noqa: BLE001 - the total is for information only
            log.warning("the size of %s is not known: %s", self._model_id, last_line(error))
            return None

    def _folders(self) -> List[Path]:
        """The folders of a model in ModelScope's cache: dots written `___`, unfinished files in `._____temp`."""
        name = self._model_id.replace(".", "___")
        roots = [root / middle for root in (self._cache / "hub", self._cache) for middle in ("", "models")]
        kinds = {name, "._____temp/" + name, "._____temp/" + self._model_id}
        return [root / kind for root in roots for kind in kinds]

    def _bytes(self) -> int:
        total = 0
        for folder in self._folders():
            for path in folder.rglob("*"):
                with contextlib.suppress(OSError):  # moved meanwhile
                    total += path.stat().st_size if path.is_file() else 0
        return total

    def _report(self) -> None:
        over = False
        seconds = 0
        while not over:
            over = self._over.wait(1.0)
            self._samples.append((time.monotonic(), self._bytes()))
            if over or seconds % 10 == 0:
                log.info("downloading %s: %s", self._model_id, self._progress())
            seconds += 1

    def _progress(self) -> str:
        known = self.describe()
        if known["total_bytes"] is None:
            return "{} bytes so far".format(known["bytes"])
        return "{bytes} of {total_bytes} bytes, {percent} %".format(**known)

    def describe(self) -> Dict[str, Any]:
        """Bytes, total, percent and bytes per second over the last ten seconds; None for what is not known."""
        samples = list(self._samples)
        arrived = samples[-1][1] if samples else self._bytes()
        rate = None
        if len(samples) > 1:
            rate = max(0, round((samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])))
        percent = None
        if self._total:
            arrived = min(arrived, self._total)
            percent = round(100.0 * arrived / self._total, 1)
        return {
            "bytes": arrived,
            "total_bytes": self._total,
            "percent": percent,
            "bytes_per_second": rate,
            "attempt": self._attempt,
        }
