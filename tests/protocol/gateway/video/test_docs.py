"""The documents' examples work as they are printed, and both languages print the same ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from gateway.domain.video.task_failures import FAILURES
from tests.support.servers import ROOT
from tests.support.video import VideoBench, require_good_video

ENGLISH, CHINESE = ROOT / "docs" / "video-api.md", ROOT / "docs" / "video-api.zh-CN.md"


def examples(document: Path) -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_both_languages_print_the_same_examples() -> None:
    assert examples(ENGLISH) == examples(CHINESE)


def test_the_examples_work(bench: VideoBench, clip: Path, speech: Path, tmp_path: Path) -> None:
    shutil.copy(clip, tmp_path / "face.mp4")
    shutil.copy(speech, tmp_path / "speech.wav")
    script = "set -euo pipefail\n" + "\n".join(examples(ENGLISH))
    environment = {**os.environ, "ENTRY": bench.client.url}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    require_good_video(tmp_path / "video.mp4", seconds=1.4)


def test_every_failure_is_documented() -> None:
    for document in (ENGLISH, CHINESE):
        named = set(re.findall(r"`([a-z_]+)`", document.read_text(encoding="utf-8")))
        assert set(FAILURES) <= named
