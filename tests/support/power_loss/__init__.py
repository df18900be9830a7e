"""Power cuts: what an entry acknowledged before one holds for the entry that starts on what is left of its disk."""

from __future__ import annotations

import shutil
import sqlite3
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import requests

from tests.support.faults import EVERY
from tests.support.forked import forked_entry, forking
from tests.support.power_loss.disk import Disk, Variant, write_tree
from tests.support.power_loss.record import Event, Kind, Recorder

REQUEST_ID = "X-Request-ID"
TUS = {"Tus-Resumable": "1.0.0"}
# Of how many syncs one is tried in `make test`; `make faults` tries each, in every variant.
STEP = 1 if EVERY else 13
SHOWN = 20
# What a broken promise looks like to the one who checks it.
FAULTS = (AssertionError, LookupError, TypeError, requests.RequestException, OSError, sqlite3.Error)
VARIANTS = tuple(Variant)


@dataclass(frozen=True)
class Restarted:
    """An entry that was started on what a cut left."""

    url: str
    settings: Mapping[str, object]

    def folder(self, name: str) -> Path:
        """The folder that a setting names."""
        return Path(str(self.settings[name]))

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=30, **more)


Check = Callable[[Restarted], None]


@dataclass
class Promise:
    """What an answer says, from its first byte on.

    Attributes:
        request_id: of the request that was answered.
        check: fails where the promise is broken.
        until: position in the log where something began that may end the promise.
    """

    request_id: str
    check: Check
    until: int | None = None


@dataclass
class Witness:
    """A client that writes down what it is promised.

    Args:
        recorder: of the entry.
        url: of the entry.
    """

    recorder: Recorder
    url: str
    promises: list[Promise] = field(default_factory=list)

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """One request, whose answer must be a success."""
        headers = {REQUEST_ID: f"witness-{len(self.promises)}-{self.recorder.position()}", **more.pop("headers", {})}
        answer = requests.request(method, self.url + path, headers=headers, timeout=60, **more)
        assert answer.ok, answer.text
        return answer

    def promised(self, answer: requests.Response, check: Check) -> Promise:
        """From this answer on, whatever happens, the check holds."""
        made = Promise(answer.headers[REQUEST_ID], check)
        self.promises.append(made)
        return made

    def upload_in_pieces(self, path: str, content: bytes, fields: Mapping[str, str]) -> tuple[str, requests.Response]:
        """A resumable upload in two pieces; returns its path and the last answer."""
        metadata = ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in fields.items())
        headers = {**TUS, "Upload-Length": str(len(content)), "Upload-Metadata": metadata}
        answer = self.ask("POST", path, headers=headers)
        place, middle = answer.headers["Location"], len(content) // 3
        self.promised(answer, lambda entry: require_offset(entry, place, 0))
        for start, end in ((0, middle), (middle, len(content))):
            headers = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(start)}
            answer = self.ask("PATCH", place, data=content[start:end], headers=headers)
            self.promised(answer, partial(require_offset, place=place, offset=end))
        return place, answer

    def ends(self, *promises: Promise) -> None:
        """The next request may end these promises."""
        for promise in promises:
            promise.until = self.recorder.position()


def require_offset(entry: Restarted, place: str, offset: int) -> None:
    """A resumable upload is known, and goes on there or later."""
    answer = requests.head(entry.url + place, headers=TUS, timeout=30)
    assert answer.status_code == 200
    assert int(answer.headers["Upload-Offset"]) >= offset


@dataclass(frozen=True)
class Cut:
    """The power fails before an event, and of the unsynced is left what the variant says."""

    at: int
    variant: Variant

    def __str__(self) -> str:
        return f"{self.at}-{self.variant}"


class Recording:
    """All that an entry did and promised.

    Args:
        entry: ``voice`` or ``video``.
        roots: folders by the settings that name them.
        events: what it did.
        promises: what it promised.
        settings: that it starts with again, besides its folders.
    """

    def __init__(
        self,
        entry: str,
        roots: Mapping[str, Path],
        events: Sequence[Event],
        promises: Sequence[Promise],
        settings: Mapping[str, object],
    ) -> None:
        self.entry = entry
        self.settings = settings
        self._roots = roots
        self._events = events
        answers = [(number, event.data) for number, event in enumerate(events) if event.kind is Kind.ANSWER]
        self._promised = [(self._answered(answers, promise), promise) for promise in promises]

    @staticmethod
    def _answered(answers: Sequence[tuple[int, bytes]], promise: Promise) -> int:
        wanted = f"{promise.request_id}\r\n".encode()
        return next(number for number, data in answers if wanted in data)

    def cuts(self, step: int = 1) -> list[Cut]:
        """One at each sync: of every variant, or of one after the other.

        Args:
            step: distance between two syncs that are taken; 1: all of them, and each with every variant.
        """
        # At the end of what was synced, and before the next sync, where most is unsynced.
        syncs = [number for number, event in enumerate(self._events) if event.kind is Kind.SYNC]
        places = [*syncs, len(self._events)]
        if step == 1:
            return [Cut(at, variant) for at in places for variant in VARIANTS]
        return [Cut(at, variant) for at, variant in zip(places[::step], cycle(VARIANTS), strict=False)]

    def kept(self, cut: Cut) -> list[Check]:
        """What must hold after a cut."""
        position = self._events[cut.at - 1].end if cut.at else 0
        return [
            promise.check
            for at, promise in self._promised
            if at < cut.at and (promise.until is None or position <= promise.until)
        ]

    def disks(self, cuts: Sequence[Cut], folder: Path) -> Iterator[tuple[Cut, dict[str, Path]]]:
        """Each cut with the settings of folders that hold what it left; they are emptied for the next one."""
        disk, done = Disk(self._roots.values()), 0
        for cut in cuts:
            while done < cut.at:
                disk.apply(self._events[done])
                done += 1
            shutil.rmtree(folder, ignore_errors=True)
            left = disk.cut(cut.variant, cut.at)
            settings = {name: folder / root.name for name, root in self._roots.items()}
            for name, root in self._roots.items():
                write_tree(left[root], settings[name])
            yield cut, settings


def require_whole_database(folder: Path) -> None:
    """The database of a data folder is not damaged."""
    connection = sqlite3.connect(f"file:{folder / 'gateway.sqlite3'}?mode=ro", uri=True)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        connection.close()


def broken_cuts(recording: Recording, cuts: Sequence[Cut], folder: Path, check: Check) -> list[str]:
    """Start the entry after each cut; returns what was broken.

    Args:
        recording: of the entry.
        cuts: in order.
        folder: for disks and logs.
        check: made after each cut, besides all that was promised before it.
    """
    broken = []
    with forking() as parent:
        for cut, folders in recording.disks(cuts, folder / "disk"):
            settings = {**recording.settings, **folders}
            server = forked_entry(parent, recording.entry, folder / f"{cut}.log", settings)
            try:
                entry = Restarted(server.start().url, settings)
                for promise in recording.kept(cut):
                    promise(entry)
                check(entry)
            except FAULTS as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                broken.append(f"{cut}: {where.name}:{where.lineno} {where.line}: {error!r}"[:1500])
            else:
                server.log.unlink()
            finally:
                server.kill()
    return [f"{len(broken)} of {len(cuts)} cuts", *broken[:SHOWN]] if broken else []
