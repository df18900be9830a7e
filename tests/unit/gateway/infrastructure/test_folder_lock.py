"""One process owns a data folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gateway.infrastructure.folder_lock import own_folder
from tests.support.servers import ROOT


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from gateway.infrastructure.folder_lock import own_folder\n"
        "with own_folder(pathlib.Path(sys.argv[1]), entry='voice'): pass"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with own_folder(tmp_path, entry="voice"):
        refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"another voice entry is running on {tmp_path}; stop it first" in refused.stderr
    subprocess.run(command, cwd=ROOT, check=True)
