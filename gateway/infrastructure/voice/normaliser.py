"""Converts uploaded recordings to references, with ffmpeg in the sandbox."""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio.to_thread
import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.file_kinds import unreadable
from gateway.domain.sound import VoiceDetector
from gateway.domain.storage import storage_busy, storage_error_of, storage_errors
from gateway.domain.voice import reference
from gateway.domain.voice.voice import ReferenceReport
from gateway.domain.voice.wav import wav_header
from gateway.infrastructure.files import discard_folder, head_of, temporary_path
from gateway.infrastructure.sandbox import READ_SAFELY, Bounds, Completed, Sandbox
from gateway.infrastructure.silk import decode_silk
from gateway.infrastructure.sound import ChosenSound, SoundChooser

MAX_CHANNELS: Final = 2
FLOAT_BYTES: Final = 4
# Beyond the longest reference, for pauses; and how much of it has to be speech.
EXTRA_SECONDS: Final = 15.0
PLENTY: Final = 0.8
WAV_HEAD_BYTES: Final = 4096
# Lines of ffmpeg's report on its input: "  Stream #0:1(und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, stereo, …".
TRACK: Final = re.compile(r"^  Stream #0:\d+.*?: Audio: ", re.MULTILINE)
PLAIN_TRACK: Final = re.compile(
    r"^  Stream #0:\d+.*?: Audio: (?!none).*?\d+ Hz, (?:mono|stereo|1 channels|2 channels)(?:,|$)", re.MULTILINE
)
# In the decoder's words these are the host's fault; "Input/output error" is not, as it says so of damaged files.
HOST_FAULTS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class ReferenceRules:
    """The engine's requirements, and the limits for an upload.

    Attributes:
        sample_rate: Hz of the reference.
        longest_seconds: of the reference.
        least_speech_seconds: in it.
        decode_seconds: of the upload that are used.
        timeout: seconds of wall clock for the decoder.
        memory_bytes: address space of the decoder.
    """

    sample_rate: int
    longest_seconds: float
    least_speech_seconds: float
    decode_seconds: float
    timeout: float
    memory_bytes: int

    @property
    def decode_steps(self) -> tuple[float, ...]:
        """How many seconds to decode: at first so many as mostly hold a whole reference, then all."""
        first = self.longest_seconds + EXTRA_SECONDS
        return (first, self.decode_seconds) if first < self.decode_seconds else (self.decode_seconds,)

    def is_plenty(self, report: ReferenceReport) -> bool:
        """Whether the rest of the recording needs no look: more clean speech was found than fits."""
        return report.cut and report.clipped_percent == 0 and report.speech_seconds >= PLENTY * self.longest_seconds

    @property
    def decoded_bytes(self) -> int:
        """Maximum number of bytes that the decoder may write."""
        return math.ceil(self.decode_seconds * self.sample_rate) * FLOAT_BYTES * MAX_CHANNELS + 4096

    @property
    def bounds(self) -> Bounds:
        """The same for the sandbox; decoding uses one thread, so processor time has the limit of wall clock time."""
        return Bounds(
            wall_seconds=self.timeout,
            cpu_seconds=math.ceil(self.timeout),
            memory_bytes=self.memory_bytes,
            file_bytes=self.decoded_bytes,
        )


def decoding_failed() -> GatewayError:
    """The decoder exceeded one of its limits: the file needs more than any recording does."""
    return GatewayError(
        "reference_too_costly",
        ErrorKind.UNUSABLE,
        zh="该文件解码耗时过长或占用过大，请转换为 wav 或 mp3 后重新上传。",
        en="Decoding this file needs too many resources. Convert it to wav or mp3 and upload it again.",
    )


@contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    folder = temporary_path(parent)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        discard_folder(folder)


class ReferenceNormaliser:
    """Decodes an upload and makes a reference of it.

    Args:
        rules: requirements and limits.
        sandbox: runs the decoder.
        folder: an existing folder for work in progress, on the file system of the uploads.
        detector: tells speech from other sounds.
    """

    def __init__(
        self,
        *,
        rules: ReferenceRules,
        sandbox: Sandbox,
        folder: Path,
        detector: Callable[[], VoiceDetector | None] = lambda: None,
    ) -> None:
        self._rules = rules
        self._sandbox = sandbox
        self._folder = folder
        self._detector = detector
        self._chooser = SoundChooser(probes=sandbox, conversions=sandbox, detector=detector)

    async def normalise(self, upload: Path, target: Path) -> ReferenceReport:
        """Write the reference of an upload to ``target`` (not synced), whatever the upload's declared type.

        Raises:
            FileNotFoundError: the upload is gone.
            GatewayError: ``reference_*`` (422) where no reference can be made of it.
            StorageError: the disk does not work, or the system has no process or memory left.
        """
        with storage_errors(), _private_folder(self._folder) as folder:
            # A name of our own: what the client called the file reaches neither path nor decoder.
            source = folder / "upload"
            source.hardlink_to(upload)
            rules, message = self._rules, folder / "message.wav"
            if await decode_silk(self._sandbox, source, message, seconds=rules.decode_seconds, bounds=rules.bounds):
                source = message
            chosen: ChosenSound | None = None
            for seconds in self._rules.decode_steps:
                chosen = await self._decode(source, seconds, chosen)
                made = await anyio.to_thread.run_sync(self._make, folder, seconds)
                if made is not None:
                    break
            assert made is not None  # noqa: S101 - the last step decides
            samples, report = made
            await anyio.to_thread.run_sync(self._write, samples, target)
            return report

    async def _decode(self, source: Path, seconds: float, chosen: ChosenSound | None) -> ChosenSound | None:
        """The first track, as nearly all recordings have no other; where there is a choice, the best one."""
        rate = self._rules.sample_rate
        if chosen is None:
            # Two channels at most, kept separate: opposite phases would cancel in the mix.
            first = f"aresample={rate}:resampler=soxr,aformat=channel_layouts=mono|stereo"
            done = await self._run(source, seconds, "0:a:0", first)
            chosen = await self._chooser.choose(source, source.parent) if _has_choice(done.stderr) else None
        if chosen is not None:
            resample = f"{chosen.filter},aresample={rate}:resampler=soxr"
            done = await self._run(source, seconds, f"0:{chosen.stream}", resample)
        self._require_sane(done)
        return chosen

    async def _run(self, source: Path, seconds: float, stream: str, filters: str) -> Completed:
        command = [
            # Its report lists the tracks, which would take another process to learn.
            *("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "info", "-nostats", "-y"),
            *READ_SAFELY,
            *("-t", f"{seconds:g}", "-i", source.name),
            *("-map", stream, "-vn", "-sn", "-dn", "-map_metadata", "-1", "-filter_threads", "1"),
            *("-af", filters),
            *("-t", f"{seconds:g}", "-c:a", "pcm_f32le", "-f", "wav", "decoded"),
        ]
        return await self._sandbox.run(command, folder=source.parent, bounds=self._rules.bounds)

    def _require_sane(self, done: Completed) -> None:
        if done.ok:
            return
        # What the file says of itself is indented; it is nobody's word on the host.
        said = "\n".join(line for line in done.stderr.splitlines() if not line.startswith(" "))
        log.info("decoder refused", status=done.status, timed_out=done.timed_out, said=said[-500:])
        for number in HOST_FAULTS:
            if os.strerror(number) in said and (trouble := storage_error_of(number)) is not None:
                raise trouble
        if done.killed:
            raise storage_busy()
        # A damaged recording decodes up to the damage: what came out counts, not the exit status.
        if done.timed_out or done.status < 0:
            raise decoding_failed()

    def _make(self, folder: Path, seconds: float) -> tuple[NDArray[np.int16], ReferenceReport] | None:
        """The reference of what was decoded; None if more of the recording has to be heard.

        Raises:
            GatewayError: ``reference_*``, where there is no more.
        """
        rules = self._rules
        channels = _read_float_wav(folder / "decoded")
        if channels.size == 0:
            raise reference.not_audio(unreadable(head_of(folder / "upload")))
        is_all = seconds >= rules.decode_seconds or len(channels) < (seconds - 1.0) * rules.sample_rate
        try:
            samples, report = reference.normalise(
                channels,
                rules.sample_rate,
                longest_seconds=rules.longest_seconds,
                least_speech_seconds=rules.least_speech_seconds,
                detector=self._detector(),
            )
        except GatewayError:
            if is_all:
                raise
            return None
        return (samples, report) if is_all or rules.is_plenty(report) else None

    def _write(self, samples: NDArray[np.int16], target: Path) -> None:
        pcm = samples.tobytes()
        with storage_errors():
            target.write_bytes(wav_header(sample_rate=self._rules.sample_rate, data_bytes=len(pcm)) + pcm)


def _has_choice(report: str) -> bool:
    """Whether the file has more than one track, or more than two channels, or a track that can't be decoded."""
    known = report.partition("\nOutput #0")[0]
    tracks = TRACK.findall(known)
    return len(tracks) > 1 or (len(tracks) == 1 and PLAIN_TRACK.search(known) is None)


def _read_float_wav(path: Path) -> NDArray[np.float32]:
    """The samples of a WAV that our decoder wrote, of shape (frames, channels); empty if it wrote no samples."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        head = file.read(WAV_HEAD_BYTES)
        data = head.find(b"data")
        if data < 0 or len(head) < data + 8:
            return np.zeros((0, 1), dtype=np.float32)
        count = max(1, int.from_bytes(head[22:24], "little"))
        file.seek(data + 8)
        samples = np.fromfile(file, dtype="<f4")
        return samples[: len(samples) // count * count].reshape(-1, count)
    return np.zeros((0, 1), dtype=np.float32)
