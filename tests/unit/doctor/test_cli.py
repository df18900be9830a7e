"""The program `twinport-doctor`, where no container is needed, and `python -m doctor`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


def install(folder: Path, document: dict[str, Any], **settings: Any) -> list[str]:
    """What the role puts on a host; returns how to call the program."""
    (folder / "files").mkdir(parents=True)
    (folder / "known_errors.json").write_text(json.dumps(document))
    config = {"state_dir": str(folder / "state"), "targets": [{"name": "x", "engine": "duix"}], **settings}
    (folder / "doctor.json").write_text(json.dumps(config))
    script = f"""
import sys
from pathlib import Path
from doctor import cli
cli.CONFIG = Path({str(folder / "doctor.json")!r})
cli.INSTALLATION = Path({str(folder)!r})
sys.exit(cli.main())
"""
    return [sys.executable, "-c", script]


def call(program: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program, *arguments], capture_output=True, text=True, check=False, cwd=ROOT, env={"PATH": "/nonexistent"}
    )


def test_the_program_on_a_host_without_docker(document: dict[str, Any], tmp_path: Path) -> None:
    program = install(tmp_path / "doctor", document)
    assert call(program, "status").returncode == 2
    assert "no report yet" in call(program, "status").stderr
    check = call(program, "check")
    assert (check.returncode, "Docker is not installed" in check.stdout) == (1, True)
    assert not (tmp_path / "doctor" / "state").exists()
    assert call(program, "cure", "--json").returncode == 1
    status = call(program, "status", "--json")
    assert (status.returncode, json.loads(status.stdout)["state"]) == (1, "faulty")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"colour": 1}, "unknown setting 'colour'"),
        ({"cures_per_hour": "x"}, "'cures_per_hour'"),
        ({"targets": [{}]}, "'targets'"),
    ],
)
def test_the_program_names_a_damaged_setting(
    document: dict[str, Any], tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    done = call(install(tmp_path / "doctor", document, **settings), "check")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_installation_is_named(document: dict[str, Any], tmp_path: Path) -> None:
    program = install(tmp_path / "doctor", document)
    (tmp_path / "doctor" / "known_errors.json").write_text("{")
    done = call(program, "check")
    assert (done.returncode, "known_errors.json is missing or damaged" in done.stderr) == (2, True)


LOG = """INFO:     Application startup complete.
2026-03-01 10:00:00,123 INFO synthesis text TypeError: Invalid file: tensor([
Traceback (most recent call last):
  File "server.py", line 92, in <module>
TypeError: Invalid file: tensor([[ 0.0000e+00
INFO:     fine
Traceback (most recent call last):
  File "server.py", line 92, in <module>
TypeError: Invalid file: tensor([[ 1.0000e+00
"""


def match(program: list[str], text: str, *arguments: str) -> Any:
    done = subprocess.run(
        [*program, "match", *arguments], input=text, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=["checkout", "host"])
def program(request: pytest.FixtureRequest, document: dict[str, Any], tmp_path: Path) -> list[str]:
    """How to call the program from a checkout, and where the role has installed it."""
    return [sys.executable, "-m", "doctor"] if request.param == "checkout" else install(tmp_path / "doctor", document)


def test_a_sent_log_is_matched_with_line_numbers(program: list[str]) -> None:
    found = match(program, LOG, "--engine", "cosyvoice", "--json")
    assert (found["schema"], found["engine"], found["source"]) == (1, "cosyvoice", "log")
    (finding,) = found["findings"]
    assert (finding["id"], finding["count"], finding["lines"]) == ("invalid-file-tensor", 2, [5, 9])
    assert finding["evidence"].startswith("TypeError: Invalid file: tensor([[ 0.0000e+00")
    for key in ("title", "cause", "advice"):
        assert finding[key]["en"]
        assert finding[key]["zh"]


def test_a_log_is_matched_for_its_own_engine_only(program: list[str]) -> None:
    assert match(program, LOG, "--engine", "duix")["findings"] == []


def test_another_source_than_a_log_is_matched(program: list[str]) -> None:
    text = "[Sun Mar  1 10:00:00 2026] NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus.\n"
    found = match(program, text, "--engine", "host", "--source", "kernel")
    assert [finding["id"] for finding in found["findings"]] == ["xid-fatal"]
    assert match(program, text, "--engine", "host")["findings"] == []


def test_an_unknown_source_is_refused_with_those_that_there_are(program: list[str]) -> None:
    arguments = ["match", "--engine", "host", "--source", "tea"]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert "kernel" in done.stderr
