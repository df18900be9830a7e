"""Log lines: nothing from outside can begin a line of its own."""

from __future__ import annotations

import logging
import sys

import pytest

from cosyvoice_server.log import LineFormatter, escape

SEPARATORS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
DISGUISES = ["\0", "\x1b[2K", "\x08", "\x9b", "\u202e", "\ud800"]
FORGED = "ERROR the model failed: code=forged"


def formatted(message: str, *arguments: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error is not None else None
    return LineFormatter().format(logging.LogRecord("x", logging.INFO, "x.py", 1, message, arguments, info))


@pytest.mark.parametrize("separator", SEPARATORS + DISGUISES, ids=ascii)
def test_a_message_is_one_printable_line(separator: str) -> None:
    line = formatted("text=%s", "a" + separator + FORGED)
    assert line.isprintable()
    assert line.splitlines() == [line]
    assert line.endswith(FORGED)


def test_ordinary_text_is_unchanged() -> None:
    assert escape("你好，world! 100 % \\n “é”") == "你好，world! 100 % \\n “é”"


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_an_exceptions_text_is_one_line_of_its_traceback(separator: str) -> None:
    with pytest.raises(ValueError, match="outer") as caught:
        raise ValueError("outer" + separator + FORGED) from KeyError("inner" + separator + FORGED)
    lines = formatted("failed", error=caught.value).splitlines()
    assert [line for line in lines if line.startswith(FORGED)] == []
    assert "Traceback (most recent call last):" in lines
    assert lines[-1] == f"ValueError: outer{escape(separator)}{FORGED}"
    assert any(line.startswith("  File ") for line in lines)


def test_frames_keep_their_lines() -> None:
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("x")
    lines = formatted("failed", error=caught.value).splitlines()
    assert lines[2].startswith(f'  File "{__file__}", line ')
    assert lines[3] == '    raise RuntimeError("x")'


def test_python_and_uvicorn_write_through_it(capsys: pytest.CaptureFixture[str]) -> None:
    from cosyvoice_server import log  # noqa: PLC0415 - configures the process, undone below

    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        log.configure()
        root.handlers[0].stream = sys.stderr
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\n")
        logging.info("synthesis text %s", "a\nb")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == [
        "ERROR Exception in ASGI application",
        "INFO synthesis text a\\nb",
    ]
