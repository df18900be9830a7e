"""Which files go."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.infrastructure.media_folder import StoredFile
from gateway.services.video.retention import expired


def stored(name: str, *, size: int = 10, age: float = 0.0) -> StoredFile:
    return StoredFile(Path(name), name, size, 1000.0 - age)


def names(files: list[StoredFile]) -> set[str]:
    return {file.name for file in files}


def test_the_old_go() -> None:
    files = [stored("new", age=1), stored("old", age=61)]
    assert names(expired(files, now=1000.0, max_age=60, max_bytes=1000)) == {"old"}


def test_the_oldest_go_first_when_there_is_too_much() -> None:
    files = [stored("a", age=3), stored("b", age=2), stored("c", age=1)]
    assert names(expired(files, now=1000.0, max_age=60, max_bytes=20)) == {"a"}


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 100)), max_size=30), st.integers(0, 500), st.floats(1, 100))
def test_what_stays_fits_and_is_young(files: list[tuple[int, float]], max_bytes: int, max_age: float) -> None:
    all_files = [stored(str(i), size=size, age=age) for i, (size, age) in enumerate(files)]
    gone = names(expired(all_files, now=1000.0, max_age=max_age, max_bytes=max_bytes))
    stays = [file for file in all_files if file.name not in gone]
    assert sum(file.size for file in stays) <= max_bytes
    assert all(1000.0 - file.modified <= max_age for file in stays)
