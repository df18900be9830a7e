"""Recordings of strangers into references, and speech into other formats, with ffmpeg in the sandbox."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio.to_thread
import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.domain import reference
from gateway.domain.errors import GatewayError, storage_full
from gateway.domain.speech import AudioFormat
from gateway.domain.voice import ReferenceReport
from gateway.domain.wav import wav_header
from gateway.infrastructure.files import disk_full_is_507, temporary_path
from gateway.infrastructure.sandbox import READ_SAFELY, Bounds, Sandbox

MAX_CHANNELS: Final = 2
FLOAT_BYTES: Final = 4
WAV_HEAD_BYTES: Final = 4096
ENCODE_BLOCK: Final = 64 * 1024

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class ReferenceRules:
    """What the engine wants, and what an upload may cost.

    Attributes:
        sample_rate: Hz of the reference.
        longest_seconds: of the reference.
        least_speech_seconds: in it.
        decode_seconds: of the upload that are looked at.
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
    def decoded_bytes(self) -> int:
        """Most bytes that the decoder may write."""
        return math.ceil(self.decode_seconds * self.sample_rate) * FLOAT_BYTES * MAX_CHANNELS + 4096

    @property
    def bounds(self) -> Bounds:
        """The same for the sandbox; a decode is one thread's work, so processor time is bounded like wall clock."""
        return Bounds(
            wall_seconds=self.timeout,
            cpu_seconds=math.ceil(self.timeout),
            memory_bytes=self.memory_bytes,
            file_bytes=self.decoded_bytes,
        )


def decoding_failed() -> GatewayError:
    """The decoder ran into one of its bounds: the file costs more than any recording does."""
    return GatewayError(
        "reference_too_costly",
        422,
        zh="该文件解码耗时过长或占用过大，请转换为 wav 或 mp3 后重新上传。",
        en="Decoding this file takes too much. Convert it to wav or mp3 and upload it again.",
    )


@contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    folder = temporary_path(parent)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class ReferenceNormaliser:
    """Decodes an upload and makes a reference of it.

    Args:
        rules: what comes out and what it may cost.
        sandbox: where the decoder runs.
        folder: an existing folder for work in progress, on the file system of the uploads.
    """

    def __init__(self, *, rules: ReferenceRules, sandbox: Sandbox, folder: Path) -> None:
        self._rules = rules
        self._sandbox = sandbox
        self._folder = folder

    async def normalise(self, upload: Path, target: Path) -> ReferenceReport:
        """Write the reference of an upload to ``target`` (not synced), whatever the upload claims to be.

        Raises:
            GatewayError: ``reference_*`` (422) where no reference can be made of it; ``storage_full`` (507).
        """
        with disk_full_is_507(), _private_folder(self._folder) as folder:
            # A name of our own: what the client called the file reaches neither path nor decoder.
            (folder / "upload").hardlink_to(upload)
            await self._decode(folder)
            return await anyio.to_thread.run_sync(self._build, folder / "decoded", target)

    async def _decode(self, folder: Path) -> None:
        rules = self._rules
        command = [
            *("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y"),
            *READ_SAFELY,
            *("-t", f"{rules.decode_seconds:g}", "-i", "upload"),
            *("-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1", "-filter_threads", "1"),
            # Two channels at most, kept apart: opposite phases would cancel in the mix.
            *("-af", f"aresample={rules.sample_rate}:resampler=soxr,aformat=channel_layouts=mono|stereo"),
            *("-t", f"{rules.decode_seconds:g}", "-c:a", "pcm_f32le", "-f", "wav", "decoded"),
        ]
        done = await self._sandbox.run(command, folder=folder, bounds=rules.bounds)
        if done.ok:
            return
        log.info("decoder refused", status=done.status, timed_out=done.timed_out, said=done.stderr[-500:])
        if "No space left on device" in done.stderr:
            raise storage_full()
        # A damaged recording decodes up to the damage: what came out counts, not the exit status.
        if done.timed_out or done.status < 0:
            raise decoding_failed()

    def _build(self, decoded: Path, target: Path) -> ReferenceReport:
        rules = self._rules
        channels = _read_float_wav(decoded)
        if channels.size == 0:
            raise reference.not_audio()
        samples, report = reference.normalise(
            channels,
            rules.sample_rate,
            longest_seconds=rules.longest_seconds,
            least_speech_seconds=rules.least_speech_seconds,
        )
        pcm = samples.tobytes()
        with disk_full_is_507():
            target.write_bytes(wav_header(sample_rate=rules.sample_rate, data_bytes=len(pcm)) + pcm)
        return report


def _read_float_wav(path: Path) -> NDArray[np.float32]:
    """The samples of a WAV that our decoder wrote, of shape (frames, channels); none where it wrote no samples."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        head = file.read(WAV_HEAD_BYTES)
        data = head.find(b"data")
        if data < 0:
            return np.zeros((0, 1), dtype=np.float32)
        count = int.from_bytes(head[22:24], "little")
        file.seek(data + 8)
        samples = np.fromfile(file, dtype="<f4")
        return samples[: len(samples) // count * count].reshape(-1, count)
    return np.zeros((0, 1), dtype=np.float32)


# What turns raw PCM into each format; every packet leaves at once, so that a stream starts early.
_ENCODERS: Final[dict[AudioFormat, tuple[str, ...]]] = {
    AudioFormat.PCM: ("-f", "s16le"),
    AudioFormat.MP3: ("-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"),
    AudioFormat.OPUS: ("-c:a", "libopus", "-b:a", "48k", "-page_duration", "20000", "-f", "ogg"),
    AudioFormat.FLAC: ("-c:a", "flac", "-f", "flac"),
    AudioFormat.AAC: ("-c:a", "aac", "-b:a", "96k", "-f", "adts"),
}


def encoder_command(audio_format: AudioFormat, sample_rate: int, *, target_rate: int = 0) -> list[str]:
    """The command that reads PCM from standard input and writes the format to standard output.

    Args:
        audio_format: of what comes out.
        sample_rate: Hz of what goes in.
        target_rate: Hz of what comes out; 0: what the format likes best.
    """
    return [
        # Not "-fflags nobuffer": it throws away what was read to probe the input, the first 40 ms of speech.
        *("ffmpeg", "-hide_banner", "-loglevel", "error"),
        *("-probesize", "32", "-analyzeduration", "0"),
        *("-f", "s16le", "-ar", str(sample_rate), "-ac", "1", "-i", "pipe:0"),
        *(("-ar", str(target_rate)) if target_rate else ()),
        *(*_ENCODERS[audio_format], "-flush_packets", "1", "pipe:1"),
    ]


class EncodingFailed(Exception):  # noqa: N818 - an event between two modules, not shown to anybody
    """The encoder ended before it had written everything."""


@asynccontextmanager
async def encoder(
    audio_format: AudioFormat, sample_rate: int, *, target_rate: int = 0
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running ``encoder_command`` with piped ends; it is gone when the context is left."""
    process = await asyncio.create_subprocess_exec(
        *encoder_command(audio_format, sample_rate, target_rate=target_rate),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def _feed(process: asyncio.subprocess.Process, pcm: AsyncIterator[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    async for chunk in pcm:
        process.stdin.write(chunk)
        await process.stdin.drain()
    process.stdin.close()


async def encode(process: asyncio.subprocess.Process, pcm: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """PCM through a running encoder, piece by piece.

    Raises:
        EncodingFailed: the encoder broke off.
        Exception: whatever the source of PCM raises; what was encoded until then has been given out.
    """
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    feeding = asyncio.create_task(_feed(process, pcm))
    try:
        while chunk := await _next(process.stdout, feeding):
            yield chunk
        await feeding
        if await process.wait() != 0:
            raise EncodingFailed(f"the encoder ended with {process.returncode}")
    except (BrokenPipeError, ConnectionResetError) as error:
        raise EncodingFailed("the encoder hung up") from error
    finally:
        feeding.cancel()
        with suppress(BaseException):
            await feeding


async def _next(stream: asyncio.StreamReader, feeding: asyncio.Task[None]) -> bytes:
    """The next encoded piece; a source that failed is noticed at once, since its encoder never sees an end."""
    reading = asyncio.create_task(stream.read(ENCODE_BLOCK))
    try:
        await asyncio.wait({reading, feeding}, return_when=asyncio.FIRST_COMPLETED)
        if feeding.done() and feeding.exception() is not None:
            feeding.result()
        return await reading
    finally:
        reading.cancel()
