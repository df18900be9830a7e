"""The disks after a power cut are those that careless programs deserve, or no test upon them would find a fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.power_loss.disk import Disk, Variant
from tests.support.power_loss.record import Kind, Recorder

CARELESS = "open('a', 'w').write('new' * 1000)"
UNSYNCED_NAME = "f = open('a', 'w'); f.write('new' * 1000); f.flush(); os.fsync(f.fileno())"
SYNC_FOLDER = "d = os.open('.', os.O_RDONLY); os.fsync(d)"
OVERWRITTEN = f"{UNSYNCED_NAME}; {SYNC_FOLDER}; f.seek(0); f.write('OLD' * 1000); f.flush()"
REPLACED = f"{UNSYNCED_NAME}; {SYNC_FOLDER}; open('.b', 'w').write('x' * 3000); os.replace('.b', 'a')"
MOVED = f"os.mkdir('d'); {UNSYNCED_NAME}; {SYNC_FOLDER}; os.rename('a', 'd/a'); e = os.open('d', 0); os.fsync(e)"
LINKED = f"{UNSYNCED_NAME}; {SYNC_FOLDER}; os.link('a', 'b')"
DELETED = f"{UNSYNCED_NAME}; {SYNC_FOLDER}; os.unlink('a')"
COPIED = "open('a', 'w').write('new' * 1000); import shutil; shutil.copyfile('a', 'b'); os.fsync(os.open('b', 0))"
NEW, OLD = b"new" * 1000, b"OLD" * 1000


def left(folder: Path, script: str, variant: Variant) -> dict[str, object]:
    """What a program leaves behind if the power fails at its end."""
    recorder = Recorder([folder / "disk"], folder / "log")
    (folder / "disk").mkdir()
    environment = {**os.environ, **recorder.environment}
    command = [sys.executable, "-c", f"import os\n{script}"]
    subprocess.run(command, cwd=folder / "disk", env=environment, check=True)
    disk = Disk([folder / "disk"])
    for event in recorder.events():
        disk.apply(event)
    return dict(disk.cut(variant, "seed")[folder / "disk"])


@pytest.mark.parametrize(
    ("script", "variant", "expected"),
    [
        (CARELESS, Variant.DROPPED, {}),
        (CARELESS, Variant.NAMES, {"a": b""}),
        (UNSYNCED_NAME, Variant.DROPPED, {}),
        (UNSYNCED_NAME, Variant.NAMES, {"a": NEW}),
        (OVERWRITTEN, Variant.DROPPED, {"a": NEW}),
        (OVERWRITTEN, Variant.NAMES, {"a": NEW}),
        (REPLACED, Variant.DROPPED, {"a": NEW}),
        (REPLACED, Variant.NAMES, {"a": b""}),
        (MOVED, Variant.DROPPED, {"d": {"a": NEW}}),
        (LINKED, Variant.DROPPED, {"a": NEW}),
        (LINKED, Variant.NAMES, {"a": NEW, "b": NEW}),
        (DELETED, Variant.DROPPED, {"a": NEW}),
        (DELETED, Variant.NAMES, {}),
        (COPIED, Variant.NAMES, {"a": b"", "b": NEW}),
    ],
)
def test_what_is_left(tmp_path: Path, script: str, variant: Variant, expected: dict[str, object]) -> None:
    assert left(tmp_path.resolve(), script, variant) == expected


def test_some_sectors_of_a_torn_write_are_new(tmp_path: Path) -> None:
    content = left(tmp_path.resolve(), OVERWRITTEN, Variant.TORN)["a"]
    assert isinstance(content, bytes)
    assert len(content) == len(NEW)
    sectors = [content[start : start + 512] for start in range(0, len(content), 512)]
    new = [NEW[start : start + 512] for start in range(0, len(NEW), 512)]
    old = [OLD[start : start + 512] for start in range(0, len(OLD), 512)]
    assert {after == before for after, before in zip(sectors, new, strict=True)} == {True, False}
    assert all(after in pair for after, *pair in zip(sectors, new, old, strict=True))


def test_an_answer_is_in_the_order_of_the_calls_around_it(tmp_path: Path) -> None:
    script = (
        "import socket; a, b = socket.socketpair(); open('before', 'w').close(); "
        "a.send(b'HTTP/1.1 200 OK\\r\\nX-Request-ID: 1\\r\\n\\r\\n'); open('after', 'w').close()"
    )
    folder = tmp_path.resolve()
    (folder / "disk").mkdir()
    recorder = Recorder([folder / "disk"], folder / "log")
    environment = {**os.environ, **recorder.environment}
    subprocess.run([sys.executable, "-c", f"import os\n{script}"], cwd=folder / "disk", env=environment, check=True)
    events = [(event.kind, Path(event.path).name) for event in recorder.events() if event.kind is not Kind.TRUNCATE]
    assert events == [(Kind.CREATE, "before"), (Kind.ANSWER, ""), (Kind.CREATE, "after")]
