"""The preview's CosyVoice engine: the real `engine_patch/server.py` over the stand-in package.

`python -m preview cosyvoice --port 50000`. The stand-in's behaviour is chosen by `PREVIEW_COSYVOICE_*` (see
`cosyvoice_standin/cosyvoice/switches.py`), the server's by `COSYVOICE_*`.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVER = HERE.parent / "engine_patch" / "server.py"


def main(argv: list[str]) -> int:
    """Serve until stopped; `argv` are arguments of `server.py`."""
    os.environ.setdefault("COSYVOICE_ENGINE_MODE", "preview")
    # Never into the cache with a developer's real models.
    os.environ.setdefault("MODELSCOPE_CACHE", str(Path.home() / ".cache" / "twinport-preview"))
    sys.path.insert(0, str(HERE / "cosyvoice_standin"))
    if os.environ.get("PREVIEW_COSYVOICE_NO_MATCHA", "") != "1":
        sys.path.insert(1, str(HERE / "cosyvoice_standin" / "matcha_tts"))
    # As Python does for a script.
    sys.path.insert(0, str(SERVER.parent))
    sys.argv = [str(SERVER), *argv]
    runpy.run_path(str(SERVER), run_name="__main__")
    return 0
