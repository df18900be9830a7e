"""Speech into other formats: ffmpeg between two pipes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Final

from gateway.domain.storage import storage_errors
from gateway.domain.voice.ports import EncodingFailed
from gateway.domain.voice.speech import AudioFormat
from gateway.infrastructure.voice.finished_files import Head, head_of_format

ENCODE_BLOCK: Final = 64 * 1024

# The encoder of each format; every packet is sent at once, so that a stream starts early.
_ENCODERS: Final[dict[AudioFormat, tuple[str, ...]]] = {
    AudioFormat.PCM: ("-f", "s16le"),
    AudioFormat.MP3: ("-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"),
    AudioFormat.OPUS: ("-c:a", "libopus", "-b:a", "48k", "-page_duration", "20000", "-f", "ogg"),
    AudioFormat.FLAC: ("-c:a", "flac", "-f", "flac"),
    AudioFormat.AAC: ("-c:a", "aac", "-b:a", "96k", "-f", "adts"),
    AudioFormat.M4A: ("-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart", "-f", "ipod"),
}


def encoder_command(
    audio_format: AudioFormat, sample_rate: int, *, target_rate: int = 0, output: str = "pipe:1"
) -> list[str]:
    """The command that reads PCM from standard input and writes the format.

    Args:
        audio_format: of the output.
        sample_rate: Hz of the input.
        target_rate: Hz of the output; 0: the format's usual one. For raw samples only: heads count what goes in.
        output: where it goes, by default to standard output.
    """
    return [
        # Not "-fflags nobuffer": it discards the data read to probe the input, the first 40 ms of speech.
        *("ffmpeg", "-hide_banner", "-loglevel", "error"),
        *("-probesize", "32", "-analyzeduration", "0"),
        *("-f", "s16le", "-ar", str(sample_rate), "-ac", "1", "-i", "pipe:0"),
        *(("-ar", str(target_rate)) if target_rate else ()),
        *(*_ENCODERS[audio_format], "-flush_packets", "1", "-y", output),
    ]


class FfmpegEncoding:
    """A running ``encoder_command`` with piped ends.

    Args:
        process: of the encoder.
        head: of the format.
        file: the encoder's output, if that is no stream: its index, which is written last, comes first.
    """

    def __init__(self, process: asyncio.subprocess.Process, head: Head, file: Path | None) -> None:
        self._process = process
        self._head = head
        self._file = file

    async def encode(self, pcm: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """PCM in the encoder's format, piece by piece.

        Raises:
            EncodingFailed: the encoder stopped early.
            Exception: whatever the source of PCM raises; what was encoded until then has been yielded.
        """
        process = self._process
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        feeding = asyncio.create_task(_feed(process, self._noted(pcm)))
        try:
            while chunk := await _next(process.stdout, feeding):
                if ready := self._head.encoded(chunk):
                    yield ready
            await feeding
            if await process.wait() != 0:
                raise EncodingFailed(f"the encoder ended with {process.returncode}")
            if self._file is not None:
                yield await asyncio.to_thread(self._file.read_bytes)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise EncodingFailed("the encoder hung up") from error
        finally:
            feeding.cancel()
            with suppress(BaseException):
                await feeding

    async def _noted(self, pcm: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        async for chunk in pcm:
            self._head.samples(chunk)
            yield chunk

    def finished_head(self) -> bytes | None:
        """The first bytes of the whole file, once all of it was made."""
        return self._head.finished()


class FfmpegEncoder:
    """Starts ffmpeg for each encoding."""

    @asynccontextmanager
    async def start(
        self, audio_format: AudioFormat, sample_rate: int, *, target_rate: int = 0
    ) -> AsyncIterator[FfmpegEncoding]:
        """A running encoder; it is gone when the context is left."""
        async with _output(audio_format) as file:
            output = str(file) if file else "pipe:1"
            command = encoder_command(audio_format, sample_rate, target_rate=target_rate, output=output)
            async with _running(command) as process:
                yield FfmpegEncoding(process, head_of_format(audio_format), file)


@asynccontextmanager
async def _output(audio_format: AudioFormat) -> AsyncIterator[Path | None]:
    """A file for the format that can't be streamed: it is small, some MiB for the longest speech."""
    if audio_format is not AudioFormat.M4A:
        yield None
        return
    with storage_errors():
        # Not in a thread: of a cancelled call nobody would know which folder to delete.
        folder = mkdtemp(prefix="twinport-")
    try:
        yield Path(folder, "speech.m4a")
    finally:
        await asyncio.to_thread(rmtree, folder, ignore_errors=True)


@asynccontextmanager
async def _running(command: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    with storage_errors():
        process = await asyncio.create_subprocess_exec(
            *command,
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


async def _feed(process: asyncio.subprocess.Process, noted: AsyncGenerator[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    async with aclosing(noted) as pcm:
        async for chunk in pcm:
            process.stdin.write(chunk)
            await process.stdin.drain()
    process.stdin.close()


async def _next(stream: asyncio.StreamReader, feeding: asyncio.Task[None]) -> bytes:
    """The next encoded piece; a failed source is noticed at once, since its encoder never gets an end of input."""
    reading = asyncio.create_task(stream.read(ENCODE_BLOCK))
    try:
        await asyncio.wait({reading, feeding}, return_when=asyncio.FIRST_COMPLETED)
        if feeding.done() and feeding.exception() is not None:
            feeding.result()
        return await reading
    finally:
        reading.cancel()
