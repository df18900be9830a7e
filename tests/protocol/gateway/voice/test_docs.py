"""The examples of the documentation run as they stand, in both languages."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT
from tests.support.voice import VoiceBench, spoken_wav

DOCUMENTED = "http://127.0.0.1:9090"


def blocks(document: str) -> list[tuple[str, str]]:
    """The fenced examples: language and text."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return re.findall(r"^```(bash|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def as_script(examples: list[tuple[str, str]], url: str) -> str:
    """All examples in their order as one shell script, so that later ones use what earlier ones made."""
    parts = ["set -eu -o pipefail"]
    for number, (language, text) in enumerate(examples):
        if language == "python":
            Path(f"example{number}.py").write_text(text.replace(DOCUMENTED, url), encoding="utf-8")
            parts.append(f"{sys.executable} -W ignore example{number}.py")
        else:
            parts.append(text.replace(DOCUMENTED, url))
    return "\n".join(parts)


@pytest.mark.parametrize("document", ["voice-api.md", "voice-api.zh-CN.md"])
def test_examples_run(bench: VoiceBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recording.wav").write_bytes(spoken_wav())
    script = as_script(blocks(document), bench.url)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "speech.wav").read_bytes()[:4] == b"RIFF"
    assert (tmp_path / "stream.mp3").stat().st_size > 0
    assert (tmp_path / "stream.wav").read_bytes()[:4] == b"RIFF"
    assert (tmp_path / "reference.wav").read_bytes()[:4] == b"RIFF"


def test_both_languages_show_the_same_calls() -> None:
    def calls(document: str) -> set[str]:
        text = (ROOT / "docs" / document).read_text(encoding="utf-8")
        return set(re.findall(r"/(?:v1|files|health|ready|metrics)[a-z/{}]*", text))

    assert calls("voice-api.md") == calls("voice-api.zh-CN.md")
