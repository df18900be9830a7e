"""Registered voices."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import re
import shutil
import threading
import uuid
from pathlib import Path
from typing import List, Optional, Tuple

from .errors import EngineError
from .files import flush, link_or_copy, touch
from .order import Features
from .reference import Reference


@dataclasses.dataclass(frozen=True)
class Voice:
    """A registered voice."""

    voice_id: str
    prompt_text: str
    duration: float  # seconds
    sample_rate: int  # Hz
    created_at: float  # Unix time


def voice_unknown(voice_id: str) -> EngineError:
    return EngineError(404, "voice_unknown", "There is no registered voice {!r}.".format(voice_id[:64]))


class VoiceStore:
    """Voices on disk (reference and description), with the features of the most recently used ones in memory.

    Features depend on model and package; a reference does not. So references survive a restart, and features are
    computed again at the first use. Both are bounded; the least recently used is removed first.
    Safe to use from several threads.
    """

    _ID = re.compile(r"ev_[0-9a-f]{32}")

    def __init__(self, folder: Path, most: int, most_in_memory: int) -> None:
        self._folder = folder
        self._most = max(1, most)
        self._most_in_memory = max(1, most_in_memory)
        self._lock = threading.RLock()
        self._voices: collections.OrderedDict[str, Voice] = collections.OrderedDict()
        self._features: collections.OrderedDict[str, Features] = collections.OrderedDict()
        self._load()

    @property
    def limit(self) -> int:
        return self._most

    def _load(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        found: List[Tuple[float, Voice]] = []
        for folder in sorted(self._folder.iterdir()):
            voice = self._read(folder)
            if voice is None:
                # A half-written voice of a killed process; its name was never returned.
                if folder.name.startswith((".new-", "ev_")):
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            found.append(((folder / "voice.json").stat().st_mtime, voice))
        for _, voice in sorted(found, key=lambda pair: pair[0]):
            self._voices[voice.voice_id] = voice
        self._evict()

    def _read(self, folder: Path) -> Optional[Voice]:
        if not self._ID.fullmatch(folder.name) or not (folder / "reference.wav").is_file():
            return None
        try:
            voice = Voice(**json.loads((folder / "voice.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return voice if voice.voice_id == folder.name else None

    @staticmethod
    def name(reference: Path, prompt_text: str) -> str:
        digest = hashlib.sha256(reference.read_bytes() + b"\0" + prompt_text.encode("utf-8"))
        return "ev_" + digest.hexdigest()[:32]

    def __len__(self) -> int:
        return len(self._voices)

    def list(self) -> List[Voice]:
        with self._lock:
            return list(reversed(self._voices.values()))

    def get(self, voice_id: str) -> Voice:
        """Raises EngineError `voice_unknown`."""
        with self._lock:
            if voice_id not in self._voices:
                raise voice_unknown(voice_id)
            return self._voices[voice_id]

    def add(self, reference: Reference, voice: Voice, features: Optional[Features]) -> None:
        """Keep a voice: written under another name, flushed to disk, renamed. Raises OSError."""
        place = self._folder / voice.voice_id
        beside = self._folder / ".new-{}".format(uuid.uuid4().hex)
        try:
            beside.mkdir()
            shutil.copyfile(str(reference.path), str(beside / "reference.wav"))
            (beside / "voice.json").write_text(json.dumps(dataclasses.asdict(voice), ensure_ascii=False), "utf-8")
            touch(beside / "voice.json")
            for path in (beside / "reference.wav", beside / "voice.json", beside):
                flush(path)
            with self._lock:
                if not place.exists():
                    beside.rename(place)
                    flush(self._folder)
                self._voices[voice.voice_id] = voice
                self._remember(voice.voice_id, features)
                self._evict()
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def use(self, voice_id: str) -> Tuple[Voice, Optional[Features]]:
        """A voice for one request, and its features if they are in memory. Raises EngineError `voice_unknown`."""
        with self._lock:
            voice = self.get(voice_id)
            self._voices.move_to_end(voice_id)
            if voice_id in self._features:
                self._features.move_to_end(voice_id)
            try:
                touch(self._folder / voice_id / "voice.json")
            except FileNotFoundError:
                self._forget(voice_id)
                raise voice_unknown(voice_id) from None
            return voice, self._features.get(voice_id)

    def lend_reference(self, voice_id: str, folder: Path) -> Path:
        """A link to its reference in a request's own folder, out of reach of eviction.

        Raises EngineError `voice_unknown`.
        """
        with self._lock:
            link = folder / "reference.wav"
            try:
                link_or_copy(self._folder / voice_id / "reference.wav", link)
            except FileNotFoundError:
                self._forget(voice_id)
                raise voice_unknown(voice_id) from None
            return link

    def remember(self, voice_id: str, features: Features) -> None:
        """Keep the features of a voice that is still registered."""
        with self._lock:
            if voice_id in self._voices:
                self._remember(voice_id, features)

    def _remember(self, voice_id: str, features: Optional[Features]) -> None:
        if features is None:
            return
        self._features[voice_id] = features
        self._features.move_to_end(voice_id)
        while len(self._features) > self._most_in_memory:
            self._features.popitem(last=False)

    def remove(self, voice_id: str) -> None:
        """Raises EngineError `voice_unknown`."""
        with self._lock:
            self.get(voice_id)
            self._forget(voice_id)

    def _evict(self) -> None:
        while len(self._voices) > self._most:
            self._forget(next(iter(self._voices)))

    def _forget(self, voice_id: str) -> None:
        self._voices.pop(voice_id, None)
        self._features.pop(voice_id, None)
        shutil.rmtree(str(self._folder / voice_id), ignore_errors=True)
