"""Files and ffmpeg as the Duix engine uses them: format both inputs, render the picture, mux."""

import logging
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

ENGINE_ROOT = Path("/code/data")
LOG = logging.getLogger("service.self_logger")
TIMEOUT_S = 600  # the engine's own limit for one task


class RenderError(Exception):
    """A step failed; the text is what the real engine writes into the task's `msg`."""


@dataclass(frozen=True)
class VideoInfo:
    """The report of a finished task; `duration_ms` in milliseconds, sizes in pixels."""

    duration_ms: int
    width: int
    height: int


@dataclass(frozen=True)
class MediaFolder:
    """The folder that the engine sees as `/code/data`."""

    root: Path

    def prepare(self) -> None:
        """Make the folders that the engine writes to."""
        for name in ("temp", "result", "log"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def resolve(self, url: str) -> Path:
        """Find an input: a bare name is in `temp`, an absolute path under `/code/data`; `temp/x` is not found."""
        path = Path(url)
        if path.name == url:
            return self.temp / path
        path = ENGINE_ROOT.parent / path
        return self.root / path.relative_to(ENGINE_ROOT) if path.is_relative_to(ENGINE_ROOT) else path

    @property
    def temp(self) -> Path:
        """Results, formatted inputs and work folders."""
        return self.root / "temp"

    def result_of(self, code: str) -> Path:
        """The path of a task's finished video."""
        return self.temp / f"{code}-r.mp4"


def run(*command: str) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg or ffprobe; its stderr goes to the engine's log, as in the real one.

    One that takes too long is killed, which counts as its failure.
    """
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        LOG.exception("%s took too long", command[0])
        return subprocess.CompletedProcess(command, -signal.SIGKILL, b"")


def ffmpeg(*arguments: str) -> bool:
    """Run ffmpeg quietly; true when it succeeded."""
    return run("ffmpeg", "-nostdin", "-loglevel", "warning", "-y", *arguments).returncode == 0


def probe(path: Path, entries: str, *, stream: str = "") -> list[str]:
    """Values that ffprobe finds, one per field; empty where the file is missing or not media."""
    select = ("-select_streams", stream) if stream else ()
    command = ("ffprobe", "-v", "error", *select, "-show_entries", entries, "-of", "default=nw=1:nk=1", str(path))
    return run(*command).stdout.decode().split()


def audio_seconds(path: Path) -> float:
    """Length of the audio in seconds. Raises RenderError with the engine's text when there is none."""
    duration = probe(path, "format=duration")
    if not duration or duration[0] == "N/A":
        LOG.error("KeyError: 'streams'")
        raise RenderError("三次获取音频时长失败")
    return float(duration[0])


def format_inputs(folder: MediaFolder, code: str, audio: Path, video: Path) -> tuple[Path, Path]:
    """Turn the inputs into `temp/<code>_format.wav` and `.mp4`, as the engine's first step does."""
    wav, mp4 = folder.temp / f"{code}_format.wav", folder.temp / f"{code}_format.mp4"
    even = "scale=trunc(iw/2)*2:trunc(ih/2)*2"
    # An AVI has no timestamps for reordered pictures: no B-frames.
    encode = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-bf", "0", "-pix_fmt", "yuv420p")
    LOG.info("[%s] -> ffmpeg video: %s", code, video)
    if not ffmpeg("-i", str(video), "-map", "0:v:0", "-vf", even, *encode, "-an", str(mp4)):
        raise RenderError("format video error")
    LOG.info("[%s] -> ffmpeg audio: %s", code, audio)
    if not ffmpeg("-i", str(audio), "-map", "0:a:0", "-ac", "1", "-ar", "16000", "-c:a", "pcm_s16le", str(wav)):
        raise RenderError("format audio error")
    return wav, mp4


def render(folder: MediaFolder, code: str, video: Path, seconds: float) -> Path:
    """Loop or cut the picture to the audio's length: `temp/<code>/result.avi`."""
    avi = folder.temp / code / "result.avi"
    avi.parent.mkdir(exist_ok=True)
    if not ffmpeg("-stream_loop", "-1", "-i", str(video), "-t", f"{seconds:.3f}", "-c:v", "copy", str(avi)):
        raise RenderError(f"file create failed:{ENGINE_ROOT / 'temp' / code / 'result.avi'}")
    return avi


def mux(folder: MediaFolder, code: str, avi: Path, wav: Path) -> None:
    """Combine audio and picture, directly into the final file as the real engine does."""
    result = folder.result_of(code)
    # Encoded again: ffmpeg 7 loses the sound where a looped AVI, whose pictures have no timestamps, is copied.
    encode = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-pix_fmt", "yuv420p", "-c:a", "aac")
    if not ffmpeg("-i", str(avi), "-i", str(wav), *encode, str(result)):
        raise RenderError(f"file create failed:{ENGINE_ROOT / 'temp' / result.name}")


def describe(path: Path) -> VideoInfo:
    """Length and size of a finished video."""
    width, height = probe(path, "stream=width,height", stream="v:0")[:2]
    return VideoInfo(round(audio_seconds(path) * 1000), int(width), int(height))
