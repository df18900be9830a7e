"""Stand-in for ModelScope: a download with configurable duration and interruptions."""

from __future__ import annotations

import os
import time
from pathlib import Path

from cosyvoice.switches import Switches, read_switches  # type: ignore[import-not-found]

BLOCK = 65536


def cache_folder() -> Path:
    """ModelScope's own rule for the folders of models."""
    return Path(os.environ.get("MODELSCOPE_CACHE") or Path.home() / ".cache" / "modelscope") / "hub"


def model_kind(model_id: str) -> str:
    """CosyVoice, CosyVoice2 or CosyVoice3, from a switch or from the model's name."""
    chosen: str = read_switches().kind
    if chosen:
        return chosen
    return next((kind for kind in ("CosyVoice3", "CosyVoice2") if kind in model_id), "CosyVoice")


def snapshot_download(model_id: str, local_files_only: bool = False) -> str:
    """The model's folder, downloaded if needed; the data of an interrupted download are kept.

    Raises ConnectionError as often as the switches say.
    """
    name = model_id.replace(".", "___")
    folder = cache_folder() / name
    description = folder / f"{model_kind(model_id).lower()}.yaml"
    if not description.exists():
        if local_files_only:
            raise ValueError("Cannot find the requested files in the cached path and outgoing traffic is disabled.")
        folder.mkdir(parents=True, exist_ok=True)
        fetch(cache_folder() / "._____temp" / name, folder, read_switches())
        description.write_text("# A stand-in's model has no parameters.\n", encoding="utf-8")
    return str(folder)


def fetch(beside: Path, folder: Path, switches: Switches) -> None:
    """Write the weights block by block to a temporary folder, then move them into place."""
    beside.mkdir(parents=True, exist_ok=True)
    weights, failures = beside / "llm.pt", beside / "failures"
    failed = int(failures.read_text(encoding="utf-8")) if failures.exists() else 0
    size = weights.stat().st_size if weights.exists() else 0
    with weights.open("ab") as file:
        while size < switches.download_bytes:
            block = min(BLOCK, switches.download_bytes - size)
            file.write(bytes(block))
            file.flush()
            size += block
            time.sleep(switches.download_seconds * block / switches.download_bytes)
            if failed < switches.download_failures and size > switches.download_bytes * (failed + 1) // 10:
                failures.write_text(str(failed + 1), encoding="utf-8")
                raise ConnectionError("HTTPSConnectionPool(host='www.modelscope.cn', port=443): Read timed out.")
    weights.replace(folder / "llm.pt")
    failures.unlink(missing_ok=True)
