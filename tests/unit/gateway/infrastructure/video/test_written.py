"""What the end of a tool says about its file."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from gateway.domain.video.media import ConversionError, OutOfSpaceError, ToolKilledError
from gateway.infrastructure.sandbox import Completed
from gateway.infrastructure.video.written import require_written

DONE = Completed(0, b"", "")
FAILED = Completed(1, b"", "Invalid data found")
FULL = Completed(1, b"", "av_interleaved_write_frame(): No space left on device")
TOO_LARGE = Completed(-signal.SIGXFSZ, b"", "")
CRASHED = Completed(-signal.SIGSEGV, b"", "")
KILLED = Completed(-signal.SIGKILL, b"", "", killed=True)
SLOW = Completed(-signal.SIGKILL, b"", "", timed_out=True)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.write_bytes(bytes(100))
    return path


def test_a_whole_file_counts(target: Path) -> None:
    require_written(DONE, target)
    require_written(DONE, target, usable_bytes=1000)


@pytest.mark.parametrize(
    ("done", "error"),
    [
        (FAILED, ConversionError),
        (CRASHED, ConversionError),
        (SLOW, ConversionError),
        (FULL, OutOfSpaceError),
        (TOO_LARGE, OutOfSpaceError),
        (KILLED, ToolKilledError),
    ],
)
def test_a_part_of_a_file_does_not(target: Path, done: Completed, error: type[Exception]) -> None:
    with pytest.raises(error):
        require_written(done, target)
    with pytest.raises(error):
        require_written(done, target, usable_bytes=101)


def test_where_a_part_is_of_use_it_counts_up_to_the_damage(target: Path) -> None:
    require_written(FAILED, target, usable_bytes=100)
    for done, error in (
        (CRASHED, ConversionError),
        (SLOW, ConversionError),
        (FULL, OutOfSpaceError),
        (TOO_LARGE, OutOfSpaceError),
        (KILLED, ToolKilledError),
    ):
        with pytest.raises(error):
            require_written(done, target, usable_bytes=100)


def test_an_error_says_what_was_written_and_what_the_tool_said(target: Path) -> None:
    with pytest.raises(OutOfSpaceError) as full:
        require_written(FULL, target)
    assert full.value.written == 100
    target.unlink()
    with pytest.raises(OutOfSpaceError) as empty:
        require_written(TOO_LARGE, target)
    assert empty.value.written == 0
    with pytest.raises(ConversionError, match="Invalid data"):
        require_written(FAILED, target)
    with pytest.raises(ConversionError, match="timed out"):
        require_written(SLOW, target)
    with pytest.raises(ConversionError):
        require_written(DONE, target)
