"""Lines of the log, as a process writes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.servers import ROOT

START = """
import logging, structlog, sys
from gateway.infrastructure.logging import configure_logging
configure_logging(level="info", fmt="json", entry="voice")
log = structlog.stdlib.get_logger("gateway.test")
"""


def run(script: str, *, to: str | None = None) -> subprocess.CompletedProcess[str]:
    """A program that logs, its standard output captured or written to a file."""
    command = [sys.executable, "-c", START + script]
    if to is None:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    with Path(to).open("w", encoding="utf-8") as file:
        return subprocess.run(command, cwd=ROOT, stdout=file, stderr=subprocess.PIPE, text=True, check=False)


def lines(script: str) -> list[dict[str, object]]:
    done = run(script)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_our_own_lines_and_those_of_libraries_have_the_same_fields() -> None:
    ours, theirs = lines('log.info("hello", count=1); logging.getLogger("library").warning("hello %s", "there")')
    assert ours.pop("count") == 1
    assert set(ours) == set(theirs) == {"event", "level", "logger", "timestamp", "entry"}
    assert (ours["logger"], ours["level"], ours["entry"]) == ("gateway.test", "info", "voice")
    assert (theirs["logger"], theirs["level"], theirs["event"]) == ("library", "warning", "hello there")


def test_lines_below_the_level_are_not_written() -> None:
    assert lines('log.debug("no"); logging.getLogger("library").debug("no")') == []


def test_tracebacks_show_no_values() -> None:
    script = 'secret = "a-key"\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    {}.exception("failed")'
    for logger in ("log", 'logging.getLogger("library")'):
        (line,) = lines(script.format(logger))
        assert "ZeroDivisionError" in json.dumps(line["exception"])
        assert "a-key" not in json.dumps(line)


def test_half_of_a_surrogate_pair_is_written_as_an_escape() -> None:
    (line,) = lines(r'log.info("odd", name="a\ud800b")')
    assert line["name"] == "a\ud800b"


def test_a_line_that_can_not_be_written_ends_nothing() -> None:
    done = run('log.info("hello"); sys.stderr.write("still here")', to="/dev/full")
    assert "log line lost: [Errno 28]" in done.stderr
    assert "still here" in done.stderr
