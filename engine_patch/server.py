"""CosyVoice's HTTP server, to be put in the place of `runtime/python/fastapi/server.py`.

Same routes, form fields and raw PCM answers as the file it replaces, so that CosyVoice's own `client.py` works
unchanged. It listens at once and loads the model behind, works with every generation of the `cosyvoice` package,
answers bad requests with sentences, never ends a stream early without saying so, and keeps registered voices.
`docs/engine-api.md` describes the interface.

Runs under Python 3.8 to 3.12 with FastAPI 0.111 or later and nothing that the engine's image lacks. All settings come
from the environment (prefix `COSYVOICE_`) and from upstream's two options, `--port` and `--model_dir`.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import concurrent.futures
import contextlib
import dataclasses
import errno
import hashlib
import importlib
import inspect
import json
import logging
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import unicodedata
import uuid
import wave
from pathlib import Path
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, Generator, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import parse_qsl

import numpy as np
import soundfile  # type: ignore[import-untyped]
import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

try:
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header
except ImportError:  # python-multipart before 0.0.13
    from multipart.exceptions import FormParserError  # type: ignore[import-untyped, no-redef]
    from multipart.multipart import MultipartParser, parse_options_header  # type: ignore[import-untyped, no-redef]

log = logging.getLogger("cosyvoice.server")

END_OF_PROMPT = "<|endofprompt|>"
COSYVOICE3_PREFIX = "You are a helpful assistant."
PROMPT_MODES = ("zero_shot", "cross_lingual", "instruct2")
RETRY_AFTER_SECONDS = 10
# The lowest rate that CosyVoice's frontend accepts (an assertion in its `load_wav`).
PROMPT_MIN_RATE = 16000
PROMPT_MAX_RATE = 192000
PROMPT_MAX_CHANNELS = 8
WAV_HEADER_BYTES = 44
TEMPORARY_PREFIX = "cosyvoice-request-"


# --------------------------------------------------------------------------------------------------------------------
# Settings
# --------------------------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that can be chosen. Each field is the environment variable `COSYVOICE_<FIELD>`.

    Raises ValueError from `from_environment` for a value that can't be read.
    """

    host: str = "0.0.0.0"  # noqa: S104 - the container's own network
    port: int = 50000
    # A ModelScope id or a local folder.
    model: str = "iic/CosyVoice-300M"
    engine_mode: str = "gpu"
    # Options of the model's class, passed on where the installed package knows them.
    fp16: Optional[bool] = None
    load_jit: Optional[bool] = None
    load_trt: Optional[bool] = None
    load_vllm: Optional[bool] = None
    trt_concurrent: Optional[int] = None
    # How many requests the model works on at once, how many may wait, and for how long.
    slots: int = 1
    queue_limit: int = 32
    queue_timeout_seconds: float = 300.0
    max_upload_bytes: int = 64 * 2**20
    max_text_chars: int = 5000
    max_prompt_chars: int = 1000
    prompt_min_seconds: float = 0.5
    prompt_max_seconds: float = 30.0
    read_timeout_seconds: float = 60.0
    send_timeout_seconds: float = 60.0
    max_buffered_bytes: int = 16 * 2**20
    voices_dir: str = ""
    voices_max: int = 500
    voices_in_memory: int = 100
    download_attempts: int = 5
    # 0: stay up for ever after a failed load.
    failed_exit_seconds: float = 30.0
    shutdown_seconds: int = 8

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], **overrides: Any) -> Settings:
        values: Dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            text = environ.get("COSYVOICE_" + field.name.upper(), "").strip()
            if text:
                values[field.name] = _read_setting(field.name, str(field.type), text)
        values.update({name: value for name, value in overrides.items() if value is not None})
        if not values.get("voices_dir"):
            cache = environ.get("MODELSCOPE_CACHE") or str(Path.home() / ".cache" / "modelscope")
            values["voices_dir"] = str(Path(cache) / "twinport_voices")
        return cls(**values)


def _read_setting(name: str, kind: str, text: str) -> Any:
    try:
        if "bool" in kind:
            return parse_switch(text)
        if "int" in kind:
            return int(text)
        if "float" in kind:
            return float(text)
    except ValueError:
        raise ValueError("COSYVOICE_{}={!r} is not a valid {}".format(name.upper(), text, kind)) from None
    return text


def parse_switch(text: str) -> bool:
    """Read true/1/yes/on and false/0/no/off in any case; ValueError for anything else."""
    word = text.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off"}:
        return False
    raise ValueError(text)


# --------------------------------------------------------------------------------------------------------------------
# Errors
# --------------------------------------------------------------------------------------------------------------------
class EngineError(Exception):
    """What a client is told: an HTTP status, a stable code, a sentence."""

    def __init__(self, status: int, code: str, message: str, retry_after: int = RETRY_AFTER_SECONDS) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after

    def response(self, request_id: str) -> Response:
        headers = {"Retry-After": str(self.retry_after)} if self.status == 503 else {}
        if self.status in {408, 413}:
            headers["Connection"] = "close"
        body = {"code": self.code, "message": self.message, "request_id": request_id}
        return JSONResponse(body, status_code=self.status, headers=headers)


class ClientGone(Exception):  # noqa: N818 - not an error
    """The client closed its connection; there is nobody left to answer."""


class StreamCut(Exception):  # noqa: N818 - says what it does
    """Leaves the ASGI application after the status line, which makes the HTTP server cut the connection."""


# What the model's own exceptions mean to a client: pattern in "<Type>: <text>", status, code, sentence.
MODEL_FAILURES: Tuple[Tuple[str, int, str, str], ...] = (
    (r"audio longer than 30s", 422, "prompt_too_long", "The reference audio is longer than 30 seconds."),
    (r"wav sample rate \d+ must be greater", 422, "prompt_rate_too_low", "The reference needs 16 kHz or more."),
    (r"choose a window size", 422, "prompt_too_short", "The reference audio is too short."),
    (r"Format not recognised|Error opening|Invalid file", 422, "prompt_not_audio", "The reference is not audio."),
    (
        r"only implemented for|not implemented for|do not support instruct",
        422,
        "mode_not_supported",
        "The loaded model does not have this mode.",
    ),
    (r"out of memory", 503, "out_of_memory", "The GPU's memory is full. Please try again shortly."),
)


def last_line(error: BaseException) -> str:
    """The last line of the error's traceback, cut to 500 characters: what a human looks for first."""
    return "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1][:500]


def explain_failure(error: BaseException) -> EngineError:
    """Turn an exception of the model into the answer for the client."""
    if isinstance(error, EngineError):
        return error
    line = last_line(error)
    for pattern, status, code, message in MODEL_FAILURES:
        if re.search(pattern, line):
            return EngineError(status, code, message)
    return EngineError(500, "engine_error", "The model failed: " + line)


# What a failed load means: pattern, code, exit code for the restart policy.
LOAD_FAILURES: Tuple[Tuple[str, str, int], ...] = (
    (r"CUDA|no kernel image|NVIDIA driver", "gpu_not_usable", 13),
    (
        r"No valid model type|no valid model_type|not found!|PytorchStreamReader|invalid load key|UnpicklingError",
        "model_incomplete",
        12,
    ),
    (r"ModuleNotFoundError|ImportError|ErrorDuringImport|No module named|max_depth", "package_incomplete", 10),
)


async def within(seconds: float, step: Awaitable[Any]) -> Any:
    """Await `step`, for at most `seconds`. A timer does, where `asyncio.wait_for` makes a task each time.

    Raises asyncio.TimeoutError.
    """
    task: Any = asyncio.current_task()
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        return await step
    except asyncio.CancelledError:
        # Python 3.11 counts: somebody else may want the task to end as well.
        if expired and (not hasattr(task, "uncancel") or task.uncancel() == 0):
            raise asyncio.TimeoutError from None
        raise
    finally:
        timer.cancel()


# --------------------------------------------------------------------------------------------------------------------
# Reading a form: bounded in size, count and time; a file goes straight to its place
# --------------------------------------------------------------------------------------------------------------------
class Scratch:
    """A request's folder for files: made when the first one comes, removed with all that is in it."""

    def __init__(self) -> None:
        self._folder: Optional[Path] = None

    def folder(self) -> Path:
        """Raises EngineError where none can be made."""
        if self._folder is None:
            try:
                self._folder = Path(tempfile.mkdtemp(prefix="{}{}-".format(TEMPORARY_PREFIX, os.getpid())))
            except OSError as error:
                raise disk_error(error) from error
        return self._folder

    def remove(self) -> None:
        if self._folder is not None:
            shutil.rmtree(str(self._folder), ignore_errors=True)


@dataclasses.dataclass
class Form:
    """A request's fields by name, and where its files were written."""

    fields: Dict[str, str] = dataclasses.field(default_factory=dict)
    files: Dict[str, Path] = dataclasses.field(default_factory=dict)

    def names(self) -> str:
        return ", ".join(sorted([*self.fields, *self.files])) or "none"


@dataclasses.dataclass(frozen=True)
class FormLimits:
    body_bytes: int
    field_bytes: int
    parts: int = 32
    header_bytes: int = 8192


class _Part:
    """One part of a multipart body while it arrives."""

    def __init__(self) -> None:
        self.headers: Dict[bytes, bytes] = {}
        self.header_name = bytearray()
        self.header_value = bytearray()
        self.header_bytes = 0
        self.name = ""
        self.text = bytearray()
        self.path: Optional[Path] = None
        self.file: Any = None


class MultipartReader:
    """Feeds a multipart body to python-multipart's callback parser; text stays in memory, files go to `scratch`.

    Raises EngineError where a limit is passed or a file name tries to leave its folder.
    """

    def __init__(self, boundary: bytes, scratch: Scratch, limits: FormLimits) -> None:
        self.form = Form()
        self._scratch = scratch
        self._limits = limits
        self._part = _Part()
        self._parts = 0
        self._complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def feed(self, data: bytes) -> None:
        self._parser.write(data)

    def close(self) -> Form:
        """Check that the last boundary came; returns the form."""
        self._parser.finalize()
        if not self._complete:
            raise EngineError(400, "bad_request", "The multipart body ends before its last boundary.")
        return self.form

    def abandon(self) -> None:
        if self._part.file is not None:
            self._part.file.close()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise EngineError(413, "too_large", "The form has more than {} parts.".format(self._limits.parts))
        self._part = _Part()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._part.header_name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._part.header_value += data[start:end]

    def _count_header(self, size: int) -> None:
        self._part.header_bytes += size
        if self._part.header_bytes > self._limits.header_bytes:
            raise EngineError(413, "too_large", "A part of the form has headers that are too long.")

    def _header_end(self) -> None:
        self._part.headers[bytes(self._part.header_name).lower()] = bytes(self._part.header_value)
        self._part.header_name = bytearray()
        self._part.header_value = bytearray()

    def _headers_finished(self) -> None:
        disposition = self._part.headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            check_file_name(options[b"filename"].decode("utf-8", "replace"))
            self._part.path = self._scratch.folder() / "upload-{}".format(self._parts)
            self._part.file = self._part.path.open("xb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part.file is not None:
            self._part.file.write(data[start:end])
            return
        self._part.text += data[start:end]
        if len(self._part.text) > self._limits.field_bytes:
            raise EngineError(413, "too_large", "The field {} is too long.".format(self._part.name[:100]))

    def _end(self) -> None:
        if self._part.file is not None:
            self._part.file.close()
            self.form.files[self._part.name] = self._part.path  # type: ignore[assignment]
        else:
            self.form.fields[self._part.name] = decode_text(bytes(self._part.text))

    def _finish(self) -> None:
        self._complete = True


class UrlencodedReader:
    """Collects an urlencoded body, which is as long as its fields, and takes it apart at the end."""

    def __init__(self, limits: FormLimits) -> None:
        self._limits = limits
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        self._body += data

    def close(self) -> Form:
        try:
            pairs = parse_qsl(
                self._body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=self._limits.parts
            )
        except UnicodeDecodeError:
            raise EngineError(400, "bad_request", "The form is not UTF-8 text.") from None
        except ValueError:
            raise EngineError(413, "too_large", "The form has too many fields.") from None
        return Form(fields=dict(pairs))

    def abandon(self) -> None:
        self._body = bytearray()


def check_file_name(name: str) -> None:
    """Refuse names that climb out of a folder. They are never used for a path; who sends one is up to no good."""
    if ".." in re.split(r"[/\\]", name) or "\0" in name:
        raise EngineError(422, "field_invalid", "The file name must not contain '..' or a zero byte.")


def decode_text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise EngineError(400, "bad_request", "The form is not UTF-8 text.") from None


class Body:
    """A request's body as it arrives: at most `limit` bytes of it, no pause longer than `pause` seconds."""

    def __init__(self, request: Request, limit: int, pause: float) -> None:
        self._request = request
        self._limit = limit
        self._pause = pause
        self._finished = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises EngineError 408 or 413, and ClientGone."""
        declared = self._request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._limit:
            raise self._too_large()
        size = 0
        while not self._finished:
            chunk = await self._receive(self._pause)
            size += len(chunk)
            if size > self._limit:
                raise self._too_large()
            yield chunk

    async def _receive(self, seconds: float) -> bytes:
        try:
            message = await within(seconds, self._request.receive())
        except asyncio.TimeoutError:
            self._finished = True
            raise EngineError(408, "read_timeout", "The request's body did not arrive in time.") from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._finished = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    def _too_large(self) -> EngineError:
        return EngineError(413, "too_large", "The request is larger than {} bytes.".format(self._limit))

    async def drain(self, seconds: float = 20.0, limit: int = 512 * 2**20) -> None:
        """Throw the rest away, so that a client that sends first and reads later sees its answer."""
        if self._request.headers.get("expect", "").lower() == "100-continue" and not self._started():
            return
        deadline = time.monotonic() + seconds
        while not self._finished and limit > 0 and time.monotonic() < deadline:
            try:
                limit -= len(await self._receive(deadline - time.monotonic()))
            except EngineError:
                return

    def _started(self) -> bool:
        """Whether the client was asked to send; one that waits for `100 Continue` sends nothing before."""
        declared = self._request.headers.get("content-length", "")
        return not (declared.isdigit() and int(declared) > self._limit)


async def read_form(request: Request, scratch: Scratch, limits: FormLimits, pause: float) -> Form:
    """Read an urlencoded or multipart body. Files are written into `scratch` under names of our own.

    Raises EngineError (400, 408, 413, 415, 422, 507) and ClientGone.
    """
    body = Body(request, limits.body_bytes, pause)
    reader: Any = None
    try:
        reader = form_reader(request.headers.get("content-type", ""), scratch, limits)
        async for chunk in body.chunks():
            if chunk:
                reader.feed(chunk)
        return reader.close()  # type: ignore[no-any-return]
    except EngineError:
        await body.drain()
        raise
    except FormParserError as error:
        await body.drain()
        raise EngineError(400, "bad_request", "The form can't be read: {}".format(error)) from error
    except OSError as error:
        await body.drain()
        raise disk_error(error) from error
    finally:
        if reader is not None:
            reader.abandon()


def form_reader(content_type: str, scratch: Scratch, limits: FormLimits) -> Any:
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        if not options.get(b"boundary"):
            raise EngineError(400, "bad_request", "The multipart body has no boundary.")
        return MultipartReader(options[b"boundary"], scratch, limits)
    if kind in {b"application/x-www-form-urlencoded", b""}:
        return UrlencodedReader(limits)
    raise EngineError(415, "unsupported_media_type", "Send a form: multipart or urlencoded.")


def disk_error(error: OSError) -> EngineError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return EngineError(507, "disk_full", "The engine's disk is full.")
    return EngineError(500, "engine_error", "The engine can't write its files: " + last_line(error))


# --------------------------------------------------------------------------------------------------------------------
# Reference audio
# --------------------------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Reference:
    """A checked reference: a mono 16-bit WAV that this server wrote itself."""

    path: Path
    duration: float  # seconds
    sample_rate: int  # Hz


def prepare_reference(upload: Path, target: Path, settings: Settings) -> Reference:
    """Decode an upload and write what the model will hear to `target`, at the upload's own rate.

    Decoding is bounded: not a second more than the longest reference is ever read, whatever the file's header claims.
    Raises EngineError 422.
    """
    if upload.stat().st_size == 0:
        raise EngineError(422, "prompt_not_audio", "The reference audio is empty.")
    try:
        with soundfile.SoundFile(str(upload)) as source:
            rate = source.samplerate
            check_layout(rate, source.channels)
            samples = None if is_plain(source, upload) else read_mono(source, settings)
            duration = (source.frames if samples is None else len(samples)) / rate
    except (RuntimeError, TypeError) as error:  # soundfile.LibsndfileError is a RuntimeError
        raise EngineError(
            422, "prompt_not_audio", "The reference is not audio that can be read: WAV, FLAC, OGG or MP3 is needed."
        ) from error
    check_duration(duration, settings)
    if samples is None:
        upload.replace(target)
    else:
        write_wav(target, to_pcm(samples), rate)
    return Reference(target, duration, rate)


def is_plain(source: Any, upload: Path) -> bool:
    """Whether an upload is, byte for byte, what `write_wav` would make of it: what a gateway sends as a rule."""
    size = upload.stat().st_size - WAV_HEADER_BYTES
    plain = source.format == "WAV" and source.subtype == "PCM_16" and source.channels == 1
    if not plain or size != 2 * int(source.frames):
        return False
    with upload.open("rb") as file:
        claimed = file.read(WAV_HEADER_BYTES)[-4:]
    return int.from_bytes(claimed, "little") == size


def check_duration(seconds: float, settings: Settings) -> None:
    if seconds > settings.prompt_max_seconds:
        raise EngineError(
            422,
            "prompt_too_long",
            "The reference audio is longer than {:g} seconds.".format(settings.prompt_max_seconds),
        )
    if seconds < settings.prompt_min_seconds:
        raise EngineError(
            422,
            "prompt_too_short",
            "The reference has {:.2f} s of audio; at least {:g} s are needed.".format(
                seconds, settings.prompt_min_seconds
            ),
        )


def check_layout(rate: int, channels: int) -> None:
    if rate < PROMPT_MIN_RATE:
        raise EngineError(
            422,
            "prompt_rate_too_low",
            "The reference has {} Hz; {} Hz or more are needed.".format(rate, PROMPT_MIN_RATE),
        )
    if rate > PROMPT_MAX_RATE or channels > PROMPT_MAX_CHANNELS:
        raise EngineError(
            422,
            "prompt_not_audio",
            "The reference has {} channels at {} Hz; that is more than a recording of a voice has.".format(
                channels, rate
            ),
        )


def read_mono(source: Any, settings: Settings) -> Any:
    """A file's samples mixed down to one float32 array; it is read no further than just past the longest reference."""
    parts: List[Any] = []
    frames = 0
    for block in source.blocks(blocksize=source.samplerate, dtype="float32", always_2d=True):
        parts.append(block.mean(axis=1))
        frames += len(block)
        if frames > settings.prompt_max_seconds * source.samplerate:
            break
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def to_pcm(samples: Any) -> bytes:
    """float samples of any shape, nominally -1 to 1, as little-endian int16; beyond full scale they are clipped."""
    scaled = np.asarray(samples, dtype=np.float32).reshape(-1) * np.float32(32768)
    if np.isnan(scaled).any():
        scaled = np.where(np.isnan(scaled), np.float32(0), scaled)
    return bytes(np.clip(scaled, -32768, 32767, out=scaled).astype("<i2").tobytes())


def write_wav(path: Path, pcm: bytes, rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)


# --------------------------------------------------------------------------------------------------------------------
# The model, whatever its generation
# --------------------------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Order:
    """One thing to say, checked. `reference` is None for the preset speakers' modes and for a registered voice."""

    mode: str
    text: str
    speaker: str = ""
    instruct_text: str = ""
    prompt_text: str = ""
    reference: Optional[Path] = None
    voice_id: str = ""
    stream: bool = False
    speed: float = 1.0
    text_frontend: bool = True
    seed: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Features:
    """A reference as the model's frontend analysed it, together with the prompt text it was given."""

    entry: Dict[str, Any]
    prompt_text: str


class Speakers(dict):  # type: ignore[type-arg]
    """The frontend's speakers, given out as copies.

    Older frontends delete keys from the entry they look up, so that a voice could be used for cross-lingual speech
    only once, and for one segment only.
    """

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        return dict(value) if isinstance(value, dict) else value


def parameters(function: Callable[..., Any]) -> List[str]:
    return list(inspect.signature(function).parameters)


def mentions(function: Any, constant: Any) -> bool:
    """Whether a function's own code has this constant: tells versions apart that no version string tells apart."""
    code = getattr(function, "__code__", None)
    return code is not None and any(
        value == constant or (isinstance(value, str) and isinstance(constant, str) and constant in value)
        for value in code.co_consts
    )


class Cancellation:
    """A flag that any thread may set and that calls back once when it is set."""

    def __init__(self) -> None:
        self._flag = threading.Event()
        self._lock = threading.Lock()
        self._callback: Optional[Callable[[], None]] = None

    def is_set(self) -> bool:
        return self._flag.is_set()

    def set(self) -> None:
        with self._lock:
            self._flag.set()
            if self._callback is not None:
                self._callback()
                self._callback = None

    def when_set(self, callback: Optional[Callable[[], None]]) -> None:
        """Call `callback` on `set`, or at once if that was before; None takes the callback back."""
        with self._lock:
            self._callback = callback
            if callback is not None and self._flag.is_set():
                callback()


class Engine:
    """A loaded CosyVoice model of any kind and generation behind one interface.

    `analyse` and `generate` are called from worker threads, never more than `slots` at a time.
    """

    def __init__(self, model: Any, slots: int) -> None:
        self._model = model
        self._frontend: Any = getattr(model, "frontend", None)
        self._single = slots == 1
        self.sample_rate = int(model.sample_rate)
        self.kind = type(model).__name__
        self.prompt_kind = prompt_kind(model)
        self.speakers = self._preset_speakers()
        self.modes = self._find_modes()
        self._speakers = self._copying_speakers()
        self._job = LanguageModelJob(getattr(model, "model", None))
        self._hop = getattr(getattr(model, "model", None), "token_hop_len", None)
        correct_prompt_rate(model)

    def _preset_speakers(self) -> List[str]:
        try:
            return [str(name) for name in self._model.list_available_spks()]
        except AttributeError:
            return []

    def _find_modes(self) -> List[str]:
        found = [mode for mode in ("sft", *PROMPT_MODES) if hasattr(self._model, "inference_" + mode)]
        if not self.speakers and "sft" in found:
            found.remove("sft")
        # CosyVoice2 and 3 inherit a method that only raises; an older package marks models without the ability.
        if self.kind == "CosyVoice" and getattr(self._model, "instruct", True) and self.speakers:
            found.append("instruct")
        return found

    def _copying_speakers(self) -> Optional[Speakers]:
        known: Any = getattr(self._frontend, "spk2info", None)
        able = hasattr(self._model, "add_zero_shot_spk") and hasattr(self._frontend, "_extract_text_token")
        able = able and isinstance(known, dict)
        if not able or "zero_shot_spk_id" not in parameters(self._model.inference_zero_shot):
            return None
        speakers = Speakers(known)
        self._frontend.spk2info = speakers
        return speakers

    @property
    def analyses_once(self) -> bool:
        """Whether the package can keep a reference's features (all but the oldest can)."""
        return self._speakers is not None

    def analyse(self, reference: Path, prompt_text: str = "") -> Features:
        """Compute a reference's features. Raises whatever the model's frontend raises."""
        assert self._speakers is not None  # noqa: S101 - callers ask `analyses_once` first
        key = "twinport-" + uuid.uuid4().hex
        self._model.add_zero_shot_spk(prompt_text, self._open(reference), key)
        return Features(self._speakers.pop(key), prompt_text)

    def _open(self, reference: Path) -> Any:
        if self.prompt_kind == "path":
            return str(reference)
        return importlib.import_module("cosyvoice.utils.file_utils").load_wav(str(reference), 16000)

    def generate(self, order: Order, features: Optional[Features], cancelled: Cancellation) -> Iterator[bytes]:
        """PCM of `order`, chunk by chunk. `features` of a registered voice spare the analysis of its reference.

        Raises the model's own exceptions, also those of its language model's thread.
        """
        if order.seed is not None:
            set_seed(order.seed)
        if order.stream and self._hop is not None:
            # The models 2 and 3 let it grow for good, which makes each later stream start later.
            self._model.model.token_hop_len = self._hop
        key = "twinport-" + uuid.uuid4().hex
        try:
            watched = self._job.watched(cancelled if self._single else None)
            with watched, contextlib.closing(self._call(order, features, key)) as outputs:
                for output in outputs:
                    yield to_pcm(as_array(output["tts_speech"]))
                    if cancelled.is_set():
                        return
        finally:
            if self._speakers is not None:
                self._speakers.pop(key, None)
            if self._single:
                self._job.forget_leftovers()

    def _call(self, order: Order, features: Optional[Features], key: str) -> Generator[Any, None, None]:
        method = getattr(self._model, "inference_" + order.mode)
        options = {"stream": order.stream, "speed": order.speed, "text_frontend": order.text_frontend}
        known = parameters(method)
        options = {name: value for name, value in options.items() if name in known}
        if order.mode == "sft":
            yield from method(order.text, order.speaker, **options)
        elif order.mode == "instruct":
            yield from method(order.text, order.speaker, self._instruct_text(order), **options)
        else:
            yield from self._call_with_prompt(method, order, features, key, options)

    def _call_with_prompt(
        self,
        method: Callable[..., Iterator[Any]],
        order: Order,
        features: Optional[Features],
        key: str,
        options: Dict[str, Any],
    ) -> Iterator[Any]:
        prompt_text = self._prompt_text(order)
        given: Tuple[Any, ...] = () if order.mode == "cross_lingual" else (prompt_text,)
        if self._speakers is not None and "zero_shot_spk_id" in parameters(method):
            # One analysis for the whole text; the model itself would do it again for each segment.
            self._speakers[key] = self._entry(order, features, prompt_text)
            options = {**options, "zero_shot_spk_id": key}
            given = () if order.mode == "cross_lingual" else ("",) if order.mode == "zero_shot" else given
            prompt: Any = ""
        else:
            prompt = self._open(order.reference)  # type: ignore[arg-type]
        for text, chosen in self._texts(order, options):
            yield from method(text, *given, prompt, **chosen)

    def _entry(self, order: Order, features: Optional[Features], prompt_text: str) -> Dict[str, Any]:
        if features is None:
            features = self.analyse(order.reference, prompt_text)  # type: ignore[arg-type]
        entry = dict(features.entry)
        if features.prompt_text != prompt_text and order.mode != "cross_lingual":
            token, length = self._frontend._extract_text_token(prompt_text)  # noqa: SLF001 - there is no other way
            entry["prompt_text"], entry["prompt_text_len"] = token, length
        return entry

    def _texts(self, order: Order, options: Dict[str, Any]) -> Iterator[Tuple[str, Dict[str, Any]]]:
        """The text, or for CosyVoice3's cross-lingual mode its segments, each with the mark that the model wants.

        A text with a mark in it is neither normalised nor split by the frontend, so that has to come first.
        """
        if self.kind != "CosyVoice3" or order.mode != "cross_lingual" or END_OF_PROMPT in order.text:
            yield order.text, options
            return
        segments = self._frontend.text_normalize(order.text, split=True, text_frontend=order.text_frontend)
        for segment in segments:
            yield COSYVOICE3_PREFIX + END_OF_PROMPT + segment, options

    def _prompt_text(self, order: Order) -> str:
        if order.mode == "instruct2":
            return self._instruct_text(order)
        if order.mode == "cross_lingual":
            return ""
        text = order.prompt_text
        if self._speakers is not None and hasattr(self._frontend, "text_normalize"):
            text = self._frontend.text_normalize(text, split=False, text_frontend=order.text_frontend)
        if self.kind == "CosyVoice3" and END_OF_PROMPT not in text:
            text = COSYVOICE3_PREFIX + END_OF_PROMPT + text
        return str(text)

    def _instruct_text(self, order: Order) -> str:
        """The instruction with the mark at its end, unless the frontend puts it there itself."""
        text = order.instruct_text
        builder = getattr(self._frontend, "frontend_" + order.mode, None)
        if "endofprompt|>" in text or mentions(getattr(builder, "__func__", builder), "endofprompt"):
            return text
        if self.kind == "CosyVoice3" and not text.startswith(COSYVOICE3_PREFIX):
            text = COSYVOICE3_PREFIX + " " + text
        return text + END_OF_PROMPT


def prompt_kind(model: Any) -> str:
    """`tensor` where `inference_zero_shot` takes a 16 kHz tensor, `path` where it takes a path.

    Told by the name of its third parameter: `prompt_speech_16k` until October 2025, `prompt_wav` since.
    """
    names = parameters(model.inference_zero_shot)
    name = names[2] if len(names) > 2 else ""
    return "tensor" if "16k" in name or "speech" in name else "path"


def correct_prompt_rate(model: Any) -> None:
    """Make a frontend that takes the prompt's mel at 24 kHz for every model take it at the model's own rate.

    The newest packages do that to CosyVoice-300M, which runs at 22 050 Hz: 8.8 % too many frames.
    """
    frontend = getattr(model, "frontend", None)
    extract = getattr(type(frontend), "_extract_speech_feat", None)
    rate = int(model.sample_rate)
    if rate == 24000 or not mentions(extract, 24000):
        return
    module = sys.modules[type(frontend).__module__]
    load = getattr(module, "load_wav", None)
    if load is None:
        return

    def load_at_model_rate(wav: Any, target_sr: int, *args: Any, **kwargs: Any) -> Any:
        return load(wav, rate if target_sr == 24000 else target_sr, *args, **kwargs)

    module.load_wav = load_at_model_rate  # type: ignore[attr-defined]
    log.info("the prompt's mel is taken at %d Hz, the model's own rate", rate)


def as_array(speech: Any) -> Any:
    """A tensor on any device, or an array, as numpy float32."""
    if hasattr(speech, "cpu"):
        speech = speech.cpu()
    if hasattr(speech, "numpy"):
        speech = speech.numpy()
    return np.asarray(speech, dtype=np.float32)


def set_seed(seed: int) -> None:
    """Seed every generator that a model draws from; they are the process's, so only one slot makes it repeatable."""
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


class LanguageModelJob:
    """Watches the thread in which a CosyVoice model makes its speech tokens.

    The package starts `llm_job` for each segment and looks only at the tokens it left behind. If the job dies, a
    stream waits for ever, and a whole answer is cut short without a word. If nobody wants the answer any more, the
    job goes on. Taking the job's token list away ends both sides at once, and the job's own error is raised instead.
    """

    _SESSION_DICTS = ("tts_speech_token_dict", "llm_end_dict", "mel_overlap_dict", "flow_cache_dict", "hift_cache_dict")

    def __init__(self, model: Any) -> None:
        self._model = model
        self._tokens = getattr(model, "tts_speech_token_dict", None)
        self._errors: Dict[str, BaseException] = {}
        self._able = isinstance(self._tokens, dict) and callable(getattr(model, "llm_job", None))
        if self._able:
            self._original = model.llm_job
            model.llm_job = self._run

    def _run(self, *args: Any, **kwargs: Any) -> None:
        session = kwargs.get("uuid", args[-1] if args else None)
        try:
            self._original(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - the thread's end; it is raised in the generator's thread
            if session in self._tokens:  # type: ignore[operator]
                self._errors[str(session)] = error
                self._tokens.pop(session, None)  # type: ignore[union-attr]

    @contextlib.contextmanager
    def watched(self, cancelled: Optional[Cancellation]) -> Iterator[None]:
        """Raise the job's own error for the KeyError it causes; stop the job once `cancelled` is set."""
        if self._able and cancelled is not None:
            cancelled.when_set(self._stop_all)
        try:
            yield
        except KeyError as error:
            cause = self._errors.pop(str(error.args[0]) if error.args else "", None)
            if cause is None:
                raise
            raise cause from None
        finally:
            if cancelled is not None:
                cancelled.when_set(None)

    def _stop_all(self) -> None:
        self._tokens.clear()  # type: ignore[union-attr]

    def forget_leftovers(self) -> None:
        """Drop what sessions that did not reach their end have left; to be called when none runs."""
        for name in self._SESSION_DICTS:
            leftovers = getattr(self._model, name, None)
            if isinstance(leftovers, dict):
                leftovers.clear()
        self._errors.clear()


# --------------------------------------------------------------------------------------------------------------------
# Registered voices
# --------------------------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Voice:
    """A registered voice; its reference lies beside its description."""

    voice_id: str
    prompt_text: str
    duration: float  # seconds
    sample_rate: int  # Hz
    created_at: float  # Unix time


def voice_unknown(voice_id: str) -> EngineError:
    return EngineError(404, "voice_unknown", "There is no registered voice {!r}.".format(voice_id[:64]))


class VoiceStore:
    """Voices on disk (reference and description) with the features of the latest used ones in memory.

    Features are of one model and package; a reference is not. So the reference is what is kept over a restart, and
    its features are computed again at its first use. Both are bounded, the least recently used goes first.
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
                # A half-written voice of a killed process; nobody was told its name.
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
        """Keep a voice: written beside its place, flushed to disk, renamed. Raises OSError."""
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
        """A voice for one request, and its features if they are at hand. Raises EngineError `voice_unknown`."""
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
        """Its reference as a link in a request's own folder, where no eviction reaches it.

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


def touch(path: Path) -> None:
    """Note a use as the file's time; the kernel's own clock for that is too coarse to tell two requests apart."""
    now = time.time_ns()
    os.utime(str(path), ns=(now, now))


def flush(path: Path) -> None:
    """fsync a file or a folder."""
    handle = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(str(source), str(target))
    except FileNotFoundError:
        raise
    except OSError:  # another file system
        shutil.copyfile(str(source), str(target))


# --------------------------------------------------------------------------------------------------------------------
# Slots, and the bridge between the model's thread and the event loop
# --------------------------------------------------------------------------------------------------------------------
class Slots:
    """A bounded first-come-first-served queue for what the model can do at once. Lives in the event loop."""

    def __init__(self, slots: int, limit: int, timeout: float) -> None:
        self.slots = max(1, slots)
        self.limit = max(0, limit)
        self.running = 0
        self._timeout = timeout
        self._waiting: collections.deque[asyncio.Future[None]] = collections.deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def acquire(self, gone: asyncio.Future[None]) -> None:
        """Take a slot. Raises EngineError `queue_full` or `queue_timeout`; ClientGone once `gone` is done."""
        if self.running < self.slots and not self._waiting:
            self.running += 1
            return
        if len(self._waiting) >= self.limit:
            raise EngineError(503, "queue_full", "The engine is busy and its queue is full. Please try again shortly.")
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(ticket)
        granted = False
        try:
            await asyncio.wait({ticket, gone}, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            granted = ticket.done() and not gone.done()
        finally:
            if not granted:
                self._give_up(ticket)
        if gone.done():
            raise ClientGone
        if not granted:
            raise EngineError(503, "queue_timeout", "The engine was busy for too long. Please try again shortly.")

    def _give_up(self, ticket: asyncio.Future[None]) -> None:
        if ticket.done():
            self.release()
        else:
            self._waiting.remove(ticket)

    def release(self) -> None:
        """Hand the slot to whoever has waited longest."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self.running -= 1


class Job:
    """Work in a worker thread whose results the event loop takes one by one.

    The slot goes back when the thread has ended, not when its client has left: until then the model is at work.
    """

    _END = object()

    def __init__(
        self, produce: Callable[[Cancellation], Iterator[Any]], done: Callable[[], None], max_buffered: int
    ) -> None:
        self.cancelled = Cancellation()
        self._produce = produce
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._items: collections.deque[Any] = collections.deque()
        self._waiter: Optional[asyncio.Future[None]] = None
        self._room = threading.Condition()
        self._buffered = 0
        self._max_buffered = max_buffered

    def run(self) -> None:
        """The worker thread's part."""
        try:
            for item in self._produce(self.cancelled):
                self._wait_for_room(len(item) if isinstance(item, bytes) else 0)
                if self.cancelled.is_set():
                    break
                self._post(item)
            self._post(self._END)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for a result
            if self.cancelled.is_set():
                log.info("abandoned work ended with %s", last_line(error))
            self._post(error)
        finally:
            self._call(self._done)

    def _wait_for_room(self, size: int) -> None:
        with self._room:
            self._room.wait_for(lambda: self._buffered < self._max_buffered or self.cancelled.is_set())
            self._buffered += size

    def _post(self, item: Any) -> None:
        self._call(self._put, item)

    def _put(self, item: Any) -> None:
        self._items.append(item)
        self._wake()

    def _wake(self, *_: Any) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server is gone
            self._loop.call_soon_threadsafe(function, *arguments)

    async def next(self, gone: asyncio.Future[None]) -> Any:
        """The next result, or None after the last one. Raises what the work raised, and ClientGone."""
        if not self._items and not gone.done():
            await self._wait(gone)
        if gone.done():
            raise ClientGone
        item = self._items.popleft()
        if item is self._END:
            return None
        if isinstance(item, BaseException):
            raise item
        if isinstance(item, bytes):
            with self._room:
                self._buffered -= len(item)
                self._room.notify_all()
        return item

    async def _wait(self, gone: asyncio.Future[None]) -> None:
        self._waiter = self._loop.create_future()
        gone.add_done_callback(self._wake)
        try:
            await self._waiter
        finally:
            gone.remove_done_callback(self._wake)

    @property
    def exhausted(self) -> bool:
        """Whether `next` is known to have nothing more to give."""
        return bool(self._items) and self._items[0] is self._END

    def cancel(self) -> None:
        self.cancelled.set()
        with self._room:
            self._room.notify_all()


async def client_gone(request: Request) -> None:
    """Returns when the client has closed its connection; to be awaited after the body is read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def first_chunk(job: Job, gone: asyncio.Future[None]) -> bytes:
    """What decides about the status line. Raises EngineError where the model has nothing to say."""
    chunk = await job.next(gone)
    if chunk is None:
        raise EngineError(422, "text_empty", "The model found nothing to speak in tts_text.")
    return bytes(chunk)


class PcmResponse(Response):
    """Sends chunks as they are made. Whatever happens, the job is cancelled and the request's folder removed."""

    def __init__(
        self,
        first: bytes,
        job: Job,
        gone: asyncio.Future[None],
        clean_up: Callable[[], None],
        headers: Mapping[str, str],
        send_timeout: float,
    ) -> None:
        super().__init__(headers=headers)
        self._first = first
        self._job = job
        self._gone = gone
        self._clean_up = clean_up
        self._send_timeout = send_timeout
        # Starlette declares an empty body here; this one's length is not known yet.
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            if scope.get("http_version") == "1.0":
                await self._send_whole(send)
            else:
                await self._send_chunks(send)
        except ClientGone:
            log.info("request=%s the client left", scope.get("state", {}).get("request_id", "-"))
        finally:
            self._job.cancel()
            self._gone.cancel()
            self._clean_up()

    async def _send_chunks(self, send: Any) -> None:
        await self._send(send, self._start(self.raw_headers))
        chunk: Optional[bytes] = self._first
        while chunk is not None:
            more = not self._job.exhausted
            await self._send(send, {"type": "http.response.body", "body": chunk, "more_body": more})
            if not more:
                return
            try:
                chunk = await self._job.next(self._gone)
            except ClientGone:
                raise
            except Exception as error:
                log.exception("the model failed within the answer")
                raise StreamCut(last_line(error)) from error
        await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_whole(self, send: Any) -> None:
        """HTTP/1.0 has no chunks, so a cut could not be told from the end: send all, with its length."""
        body = bytearray()
        chunk: Optional[bytes] = self._first
        while chunk is not None:
            body += chunk
            try:
                chunk = await self._job.next(self._gone)
            except ClientGone:
                raise
            except Exception as error:
                log.exception("the model failed within the answer")
                raise explain_failure(error) from error
        headers = [*self.raw_headers, (b"content-length", str(len(body)).encode("ascii"))]
        await self._send(send, self._start(headers))
        await self._send(send, {"type": "http.response.body", "body": bytes(body), "more_body": False})

    def _start(self, headers: List[Tuple[bytes, bytes]]) -> Dict[str, Any]:
        return {"type": "http.response.start", "status": self.status_code, "headers": headers}

    async def _send(self, send: Any, message: Dict[str, Any]) -> None:
        """Send, but not for ever: a client that stops reading is cut off."""
        try:
            await within(self._send_timeout, send(message))
        except asyncio.TimeoutError:
            raise StreamCut("the client stopped reading") from None
        except OSError:
            raise ClientGone from None


# --------------------------------------------------------------------------------------------------------------------
# Download and load, behind the open port
# --------------------------------------------------------------------------------------------------------------------
class Download:
    """A model's download: what has arrived is what lies in the cache's folders, so a resumed one counts on."""

    def __init__(self, model_id: str, attempts: int) -> None:
        self._model_id = model_id
        self._attempts = max(1, attempts)
        self._cache = Path(os.environ.get("MODELSCOPE_CACHE") or Path.home() / ".cache" / "modelscope")
        self._total: Optional[int] = None
        self._attempt = 0
        self._samples: collections.deque[Tuple[float, int]] = collections.deque(maxlen=10)
        self._over = threading.Event()

    @property
    def _receipt(self) -> Path:
        return self._cache / "twinport_downloads" / (self._model_id.replace("/", "--") + ".json")

    def finished_folder(self) -> Optional[str]:
        """The folder of a download that was finished before and is still whole: such a start needs no network."""
        try:
            receipt = json.loads(self._receipt.read_text("utf-8"))
            folder = Path(receipt["folder"])
            whole = all((folder / name).stat().st_size == size for name, size in receipt["files"].items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return str(folder) if whole else None

    def forget(self) -> None:
        """Make the next start ask ModelScope again: the model's files are not what they should be."""
        with contextlib.suppress(OSError):
            self._receipt.unlink()

    def _note_finished(self, folder: Path) -> None:
        files = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        self._receipt.parent.mkdir(parents=True, exist_ok=True)
        beside = self._receipt.with_suffix(".new")
        beside.write_text(json.dumps({"folder": str(folder), "files": files}), "utf-8")
        flush(beside)
        beside.replace(self._receipt)

    def run(self) -> str:
        """Download with ModelScope, again after a failure; returns the model's folder. Raises the last failure."""
        self._total = self._ask_total()
        threading.Thread(target=self._report, name="download-progress", daemon=True).start()
        try:
            folder = self._fetch()
        finally:
            self._over.set()
        self._note_finished(folder)
        return str(folder)

    def _fetch(self) -> Path:
        fetch = importlib.import_module("modelscope").snapshot_download
        while True:
            self._attempt += 1
            try:
                return Path(fetch(self._model_id))
            except Exception as error:
                log.warning("download attempt %d of %d failed: %s", self._attempt, self._attempts, last_line(error))
                if self._attempt >= self._attempts:
                    raise
                time.sleep(min(60.0, 2.0**self._attempt))

    def _ask_total(self) -> Optional[int]:
        try:
            catalogue = importlib.import_module("modelscope.hub.api").HubApi()
            files = catalogue.get_model_files(self._model_id, recursive=True)
            return sum(int(file.get("Size") or 0) for file in files) or None
        except Exception as error:  # noqa: BLE001 - the total is a nicety
            log.warning("the size of %s is not known: %s", self._model_id, last_line(error))
            return None

    def _folders(self) -> List[Path]:
        """Where ModelScope puts a model: its name with dots written `___`, unfinished files in `._____temp`."""
        name = self._model_id.replace(".", "___")
        roots = [root / middle for root in (self._cache / "hub", self._cache) for middle in ("", "models")]
        kinds = {name, "._____temp/" + name, "._____temp/" + self._model_id}
        return [root / kind for root in roots for kind in kinds]

    def _bytes(self) -> int:
        total = 0
        for folder in self._folders():
            for path in folder.rglob("*"):
                with contextlib.suppress(OSError):  # moved to its place meanwhile
                    total += path.stat().st_size if path.is_file() else 0
        return total

    def _report(self) -> None:
        over = False
        seconds = 0
        while not over:
            over = self._over.wait(1.0)
            self._samples.append((time.monotonic(), self._bytes()))
            if over or seconds % 10 == 0:
                log.info("downloading %s: %s", self._model_id, self._progress())
            seconds += 1

    def _progress(self) -> str:
        known = self.describe()
        if known["total_bytes"] is None:
            return "{} bytes so far".format(known["bytes"])
        return "{bytes} of {total_bytes} bytes, {percent} %".format(**known)

    def describe(self) -> Dict[str, Any]:
        """Bytes, total, percent and bytes per second over the last ten seconds; None for what is not known."""
        samples = list(self._samples)
        arrived = samples[-1][1] if samples else self._bytes()
        rate = None
        if len(samples) > 1:
            rate = max(0, round((samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])))
        percent = None
        if self._total:
            arrived = min(arrived, self._total)
            percent = round(100.0 * arrived / self._total, 1)
        return {
            "bytes": arrived,
            "total_bytes": self._total,
            "percent": percent,
            "bytes_per_second": rate,
            "attempt": self._attempt,
        }


class LoadFailed(Exception):  # noqa: N818 - reads better where it is raised
    """Wraps what stopped the load, with the stage it happened in."""

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(last_line(cause))
        self.stage = stage
        self.cause = cause

    def classify(self) -> Tuple[str, int]:
        """Stable code and exit code."""
        if self.stage == "downloading":
            return "download_failed", 11
        line = last_line(self.cause)
        for pattern, code, exit_code in LOAD_FAILURES:
            if re.search(pattern, line):
                return code, exit_code
        return "load_failed", 14


class Loader:
    """Brings the model up in its own thread and tells how far it is."""

    def __init__(self, settings: Settings, voices: VoiceStore) -> None:
        self.settings = settings
        self.voices = voices
        self.state = "starting"
        self.engine: Optional[Engine] = None
        self.error: Optional[Dict[str, Any]] = None
        self.exit_code = 0
        self.load_seconds: Optional[float] = None
        self.download: Optional[Download] = None
        self._source: Optional[Download] = None
        self.stop_server: Callable[[], None] = lambda: None
        self._started = time.monotonic()
        self._exit_at: Optional[float] = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="model-loader", daemon=True).start()

    def _run(self) -> None:
        try:
            self._load()
        except BaseException as error:  # noqa: BLE001 - a failed load is a state; SystemExit of a package too
            self._fail(LoadFailed(self.state, error))

    def _load(self) -> None:
        package = import_package()
        folder = self.settings.model
        if not Path(folder).exists():
            folder = self._fetch(folder)
        self._enter("loading")
        started = time.monotonic()
        model = build_model(package, folder, self.settings)
        self.engine = Engine(model, self.settings.slots)
        self.load_seconds = round(time.monotonic() - started, 3)
        self._enter("ready")
        log.info(
            "model=%s kind=%s prompt=%s sample_rate=%d modes=%s load_seconds=%.1f",
            self.settings.model,
            self.engine.kind,
            self.engine.prompt_kind,
            self.engine.sample_rate,
            ",".join(self.engine.modes),
            self.load_seconds,
        )

    def _fetch(self, model_id: str) -> str:
        self._source = Download(model_id, self.settings.download_attempts)
        folder = self._source.finished_folder()
        if folder is None:
            self.download = self._source
            self._enter("downloading")
            folder = self.download.run()
        return folder

    def _enter(self, state: str) -> None:
        self.state = state
        log.info("state=%s", state)

    def _fail(self, failure: LoadFailed) -> None:
        code, self.exit_code = failure.classify()
        if code == "model_incomplete" and self._source is not None:
            self._source.forget()
        wait = self.settings.failed_exit_seconds
        log.error("the model could not be loaded", exc_info=failure.cause)
        log.error("state=failed stage=%s code=%s exit_code=%d %s", failure.stage, code, self.exit_code, failure)
        self.error = {
            "code": code,
            "message": "The engine could not start ({}).".format(failure.stage),
            "last_line": str(failure),
            "exit_code": self.exit_code,
        }
        self.state = "failed"
        if wait > 0:
            self._exit_at = time.monotonic() + wait
            time.sleep(wait)
            self.stop_server()

    def require_engine(self) -> Engine:
        """The loaded engine. Raises EngineError 503 with the state."""
        if self.engine is not None and self.state == "ready":
            return self.engine
        message = "The engine is not ready: it is {}.".format(self.state)
        if self.error is not None:
            message = "The engine could not start: {}".format(self.error["last_line"])
        raise EngineError(503, "engine_" + self.state, message)

    def describe(self) -> Dict[str, Any]:
        engine = self.engine
        error = dict(self.error) if self.error else None
        if error is not None:
            error["exits_in_seconds"] = (
                None if self._exit_at is None else round(max(0.0, self._exit_at - time.monotonic()), 1)
            )
        return {
            "state": self.state,
            "engine_mode": self.settings.engine_mode,
            "model": self.settings.model,
            "model_kind": engine.kind if engine else None,
            "prompt_kind": engine.prompt_kind if engine else None,
            "sample_rate": engine.sample_rate if engine else None,
            "modes": engine.modes if engine else [],
            "speakers": engine.speakers if engine else [],
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "load_seconds": self.load_seconds,
            "download": self.download.describe() if self.download else None,
            # Before that, asking would wait for the driver to wake up.
            "gpu": describe_gpu() if engine else None,
            "voices": {"registered": len(self.voices), "limit": self.voices.limit},
            "error": error,
        }


def import_package() -> Any:
    """Import CosyVoice's own module, from the source tree this file is mounted into. Raises what the import raises.

    Matcha-TTS is looked for first: CosyVoice itself notices only after gigabytes are downloaded.
    """
    root = Path(__file__).resolve().parent.parent.parent.parent
    if (root / "cosyvoice").is_dir():
        sys.path.extend([str(root), str(root / "third_party" / "Matcha-TTS")])
    package = importlib.import_module("cosyvoice.cli.cosyvoice")
    importlib.import_module("matcha")
    return package


def build_model(package: Any, folder: str, settings: Settings) -> Any:
    """Make the model object, with those options that its class knows. Raises what its class raises."""
    name = model_class_name(Path(folder))
    known_class = getattr(package, name, None)
    build = getattr(package, "AutoModel", None) or known_class
    if build is None:
        raise TypeError("No valid model type found: this cosyvoice package has no " + name)
    known = parameters(known_class) if known_class is not None else []
    options: Dict[str, Any] = {}
    for option in ("fp16", "load_jit", "load_trt", "load_vllm", "trt_concurrent"):
        value = getattr(settings, option)
        if value is None:
            continue
        if option in known:
            options[option] = value
        else:
            log.warning("%s is set, but %s does not know it", option, name)
    return build(model_dir=folder, **options)


def model_class_name(folder: Path) -> str:
    """The class for a model's folder. Raises ValueError where none of the known descriptions lies there."""
    for name in ("CosyVoice", "CosyVoice2", "CosyVoice3"):
        if (folder / (name.lower() + ".yaml")).is_file():
            return name
    raise ValueError("{}/cosyvoice.yaml not found! The model's folder is incomplete.".format(folder))


def describe_gpu() -> Optional[Dict[str, Any]]:
    """Name, compute capability and memory of the GPU in use; None without one."""
    torch = sys.modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_available():
            return None
        free, total = torch.cuda.mem_get_info()
        return {
            "name": torch.cuda.get_device_name(0),
            "capability": "{}.{}".format(*torch.cuda.get_device_capability(0)),
            "memory_total_bytes": total,
            "memory_free_bytes": free,
        }
    except Exception as error:  # noqa: BLE001 - a lost GPU must not take /health down
        return {
            "name": "unusable: " + last_line(error),
            "capability": None,
            "memory_total_bytes": None,
            "memory_free_bytes": None,
        }


# --------------------------------------------------------------------------------------------------------------------
# From a form to an order
# --------------------------------------------------------------------------------------------------------------------
ROUTE_FIELDS: Dict[str, Tuple[str, ...]] = {
    "sft": ("tts_text", "spk_id"),
    "zero_shot": ("tts_text", "prompt_text", "prompt_wav"),
    "cross_lingual": ("tts_text", "prompt_wav"),
    "instruct": ("tts_text", "spk_id", "instruct_text"),
    "instruct2": ("tts_text", "instruct_text", "prompt_wav"),
}


def require_field(form: Form, name: str) -> str:
    if name not in form.fields:
        raise EngineError(422, "field_missing", "The field {} is missing (got: {}).".format(name, form.names()[:300]))
    return form.fields[name]


def read_text(form: Form, name: str, most: int) -> str:
    text = require_field(form, name)
    if len(text) > most:
        raise EngineError(422, "text_too_long", "{} has {} characters; {} are the most.".format(name, len(text), most))
    if not any(unicodedata.category(character)[0] in "LN" for character in text):
        raise EngineError(422, "text_empty", "{} has nothing that can be spoken.".format(name))
    return text


def read_switch(form: Form, name: str, default: bool) -> bool:
    try:
        return parse_switch(form.fields[name]) if name in form.fields else default
    except ValueError:
        raise EngineError(422, "field_invalid", "{} must be true or false.".format(name)) from None


def read_speed(form: Form) -> float:
    try:
        speed = float(form.fields.get("speed", "1"))
    except ValueError:
        speed = 0.0
    if not 0.5 <= speed <= 2.0:
        raise EngineError(422, "field_invalid", "speed must be a number from 0.5 to 2.0.")
    return speed


def read_seed(form: Form) -> Optional[int]:
    text = form.fields.get("seed", "")
    if not text:
        return None
    # What numpy's generator takes.
    if not (text.isascii() and text.isdigit() and int(text[:11]) < 2**32 and len(text) < 11):
        raise EngineError(422, "field_invalid", "seed must be a whole number from 0 to 4294967295.")
    return int(text)


def plan(mode: str, form: Form, engine: Engine, settings: Settings) -> Order:
    """Check a form against its route and the loaded model. Raises EngineError 4xx."""
    order = Order(
        mode=mode,
        text=read_text(form, "tts_text", settings.max_text_chars),
        stream=read_switch(form, "stream", default=False),
        speed=read_speed(form),
        text_frontend=read_switch(form, "text_frontend", default=True),
        seed=read_seed(form),
    )
    if mode in {"sft", "instruct"}:
        order = dataclasses.replace(order, speaker=require_field(form, "spk_id"))
    if mode in {"instruct", "instruct2"}:
        order = dataclasses.replace(order, instruct_text=read_text(form, "instruct_text", settings.max_prompt_chars))
    if mode in PROMPT_MODES:
        order = plan_prompt(order, form, settings)
    check_ability(order, engine)
    return order


def plan_prompt(order: Order, form: Form, settings: Settings) -> Order:
    voice_id = form.fields.get("voice_id", "")
    if voice_id and "prompt_wav" in form.files:
        raise EngineError(422, "field_invalid", "Send either voice_id or prompt_wav, not both.")
    if order.mode == "zero_shot" and ("prompt_text" in form.fields or not voice_id):
        order = dataclasses.replace(order, prompt_text=read_text(form, "prompt_text", settings.max_prompt_chars))
    return dataclasses.replace(order, voice_id=voice_id)


def check_ability(order: Order, engine: Engine) -> None:
    if order.speaker and order.speaker not in engine.speakers:
        known = ", ".join(engine.speakers) or "none"
        raise EngineError(
            422, "speaker_unknown", "The model has no speaker {!r}; it has: {}.".format(order.speaker[:64], known)
        )
    if order.mode not in engine.modes:
        raise EngineError(
            422,
            "mode_not_supported",
            "{} has no {} mode; it has: {}.".format(engine.kind, order.mode, ", ".join(engine.modes)),
        )


def find_upload(form: Form) -> Path:
    if "prompt_wav" not in form.files:
        hint = " as a file" if "prompt_wav" in form.fields else ""
        raise EngineError(
            422, "field_missing", "The file prompt_wav is missing{} (got: {}).".format(hint, form.names()[:300])
        )
    return form.files["prompt_wav"]


# --------------------------------------------------------------------------------------------------------------------
# The service
# --------------------------------------------------------------------------------------------------------------------
class Service:
    """What the routes do."""

    def __init__(self, settings: Settings, loader: Loader, voices: VoiceStore) -> None:
        self._settings = settings
        self._loader = loader
        self._voices = voices
        self.slots = Slots(settings.slots, settings.queue_limit, settings.queue_timeout_seconds)
        self._workers = concurrent.futures.ThreadPoolExecutor(self.slots.slots, thread_name_prefix="model")
        self._readers = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="reference")
        self._jobs: List[Job] = []

    async def synthesise(self, request: Request, mode: str) -> Response:
        """Answer with the first samples in hand, or raise EngineError or ClientGone."""
        engine = self._loader.require_engine()
        scratch = Scratch()
        gone: Optional[asyncio.Future[None]] = None
        job: Optional[Job] = None
        try:
            form = await self._read(request, scratch)
            order, features = await self._prepare(mode, form, engine, scratch)
            log.info(
                "request=%s mode=%s characters=%d voice=%s stream=%s",
                request_id_of(request),
                mode,
                len(order.text),
                order.voice_id or "-",
                order.stream,
            )
            gone = asyncio.ensure_future(client_gone(request))
            job = await self._start(lambda cancelled: self._speak(engine, order, features, cancelled), gone)
            first = await first_chunk(job, gone)
            return PcmResponse(
                first,
                job,
                gone,
                scratch.remove,
                self._headers(engine),
                self._settings.send_timeout_seconds,
            )
        except BaseException as error:
            scratch.remove()
            if job is not None:
                job.cancel()
            if gone is not None:
                gone.cancel()
            raise self._report(error) from error

    @staticmethod
    def _report(error: BaseException) -> BaseException:
        if not isinstance(error, Exception) or isinstance(error, (EngineError, ClientGone)):
            return error
        answer = explain_failure(error)
        log.error("the model failed: code=%s", answer.code, exc_info=error)
        if answer.code == "out_of_memory":
            free_gpu_memory()
        return answer

    async def _read(self, request: Request, scratch: Scratch) -> Form:
        most = self._settings.max_upload_bytes
        field = 8 * self._settings.max_text_chars + 4096
        limits = FormLimits(body_bytes=most, field_bytes=field)
        if not request.headers.get("content-type", "").startswith("multipart/"):
            # Percent-encoded text is three times as long.
            limits = dataclasses.replace(limits, body_bytes=4 * field)
        return await read_form(request, scratch, limits, self._settings.read_timeout_seconds)

    async def _prepare(
        self, mode: str, form: Form, engine: Engine, scratch: Scratch
    ) -> Tuple[Order, Optional[Features]]:
        order = plan(mode, form, engine, self._settings)
        if order.voice_id:
            voice, features = self._voices.use(order.voice_id)
            if mode == "zero_shot" and not order.prompt_text:
                if not voice.prompt_text:
                    raise EngineError(
                        422, "field_missing", "The field prompt_text is missing: this voice was registered without one."
                    )
                order = dataclasses.replace(order, prompt_text=voice.prompt_text)
            if features is None:
                reference = self._voices.lend_reference(order.voice_id, scratch.folder())
                order = dataclasses.replace(order, reference=reference)
            return order, features
        if mode in PROMPT_MODES:
            checked = await self._check_reference(find_upload(form), scratch.folder())
            order = dataclasses.replace(order, reference=checked.path)
        return order, None

    async def _check_reference(self, upload: Path, folder: Path) -> Reference:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._readers, prepare_reference, upload, folder / "reference.wav", self._settings
            )
        except OSError as error:
            raise disk_error(error) from error

    async def _start(self, produce: Callable[[Cancellation], Iterator[Any]], gone: asyncio.Future[None]) -> Job:
        await self.slots.acquire(gone)
        job = Job(produce, lambda: self._finish(job), self._settings.max_buffered_bytes)
        self._jobs.append(job)
        self._workers.submit(job.run)
        return job

    def _finish(self, job: Job) -> None:
        self._jobs.remove(job)
        self.slots.release()

    def _speak(
        self, engine: Engine, order: Order, features: Optional[Features], cancelled: Cancellation
    ) -> Iterator[bytes]:
        if order.voice_id and features is None and engine.analyses_once:
            features = engine.analyse(order.reference)  # type: ignore[arg-type]
            self._voices.remember(order.voice_id, features)
        for pcm in engine.generate(order, features, cancelled):
            if pcm:
                yield pcm

    def _headers(self, engine: Engine) -> Dict[str, str]:
        return {
            "Content-Type": "audio/L16; rate={}; channels=1".format(engine.sample_rate),
            "X-Sample-Rate": str(engine.sample_rate),
            "X-Model": self._settings.model.encode("ascii", "replace").decode("ascii"),
            "Cache-Control": "no-store",
        }

    async def register(self, request: Request) -> Response:
        """Analyse a reference once and keep it. Raises EngineError and ClientGone."""
        engine = self._loader.require_engine()
        scratch = Scratch()
        gone: Optional[asyncio.Future[None]] = None
        try:
            form = await self._read(request, scratch)
            prompt_text = ""
            if form.fields.get("prompt_text", ""):
                prompt_text = read_text(form, "prompt_text", self._settings.max_prompt_chars)
            reference = await self._check_reference(find_upload(form), scratch.folder())
            voice = Voice(
                VoiceStore.name(reference.path, prompt_text),
                prompt_text,
                round(reference.duration, 3),
                reference.sample_rate,
                time.time(),
            )
            with contextlib.suppress(EngineError):
                return JSONResponse(dataclasses.asdict(self._voices.get(voice.voice_id)), status_code=200)
            gone = asyncio.ensure_future(client_gone(request))
            job = await self._start(lambda _: self._register(engine, reference, voice), gone)
            await job.next(gone)
            return JSONResponse(dataclasses.asdict(voice), status_code=201)
        except OSError as error:
            raise disk_error(error) from error
        except BaseException as error:
            raise self._report(error) from error
        finally:
            if gone is not None:
                gone.cancel()
            scratch.remove()

    def _register(self, engine: Engine, reference: Reference, voice: Voice) -> Iterator[Voice]:
        features = engine.analyse(reference.path) if engine.analyses_once else None
        self._voices.add(reference, voice, features)
        yield voice

    def health(self) -> Dict[str, Any]:
        queue = {
            "slots": self.slots.slots,
            "running": self.slots.running,
            "waiting": self.slots.waiting,
            "limit": self.slots.limit,
        }
        return {**self._loader.describe(), "queue": queue}

    def stop(self) -> None:
        for job in self._jobs:
            job.cancel()


def free_gpu_memory() -> None:
    torch = sys.modules.get("torch")
    if torch is not None:
        with contextlib.suppress(Exception):
            torch.cuda.empty_cache()


def remove_leftovers() -> None:
    """Remove the folders of requests that a killed server left; its process id is ours or nobody's."""
    for folder in Path(tempfile.gettempdir()).glob(TEMPORARY_PREFIX + "*"):
        owner = folder.name[len(TEMPORARY_PREFIX) :].split("-")[0]
        if owner.isdigit() and (int(owner) == os.getpid() or not is_alive(int(owner))):
            shutil.rmtree(str(folder), ignore_errors=True)


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


# --------------------------------------------------------------------------------------------------------------------
# HTTP
# --------------------------------------------------------------------------------------------------------------------
class RequestLog:
    """Gives each request an id, puts it into the answer, and writes one line when the request is over."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if re.fullmatch(r"[\w.:-]{1,128}", given, re.ASCII) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.monotonic()
        status = 0

        async def send_with_id(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        outcome = "cut"
        try:
            await self._app(scope, receive, send_with_id)
            outcome = "done"
        finally:
            quiet = scope["path"] in {"/health", "/ready"}
            log.log(
                logging.DEBUG if quiet else logging.INFO,
                "request=%s %s %s status=%d seconds=%.3f %s",
                request_id,
                scope["method"],
                scope["path"],
                status,
                time.monotonic() - started,
                outcome,
            )


def request_id_of(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


async def on_engine_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, EngineError)  # noqa: S101 - registered for that class only
    log.info("request=%s code=%s %s", request_id_of(request), error.code, error.message)
    return error.response(request_id_of(request))


async def on_client_gone(request: Request, _: Exception) -> Response:
    log.info("request=%s the client left", request_id_of(request))
    return Response(status_code=499)


async def on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for that class only
    known = {
        404: ("not_found", "There is no route {}.".format(request.url.path[:200])),
        405: ("method_not_allowed", "This route does not take {}.".format(request.method[:20])),
    }
    code, message = known.get(error.status_code, ("bad_request", str(error.detail)))
    return EngineError(error.status_code, code, message).response(request_id_of(request))


async def on_any_error(request: Request, error: Exception) -> Response:
    return EngineError(500, "engine_error", "The engine failed: " + last_line(error)).response(request_id_of(request))


def form_schema(fields: Tuple[str, ...]) -> Dict[str, Any]:
    """The OpenAPI description of a route's form."""
    properties: Dict[str, Any] = {name: {"type": "string"} for name in fields}
    required = list(fields)
    if "prompt_wav" in fields:
        properties["prompt_wav"] = {"type": "string", "format": "binary"}
        properties["voice_id"] = {"type": "string", "description": "a registered voice, in the place of prompt_wav"}
        required.remove("prompt_wav")
    properties.update(
        stream={"type": "boolean"},
        speed={"type": "number", "minimum": 0.5, "maximum": 2.0},
        text_frontend={"type": "boolean"},
        seed={"type": "integer", "minimum": 0},
    )
    schema = {"type": "object", "properties": properties, "required": required}
    kinds = ("multipart/form-data", "application/x-www-form-urlencoded")
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}}


def create_app(settings: Settings, loader: Loader, voices: VoiceStore) -> FastAPI:
    """The ASGI application; the loader is started with it."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = Service(settings, loader, voices)
        loader.start()
        yield
        app.state.service.stop()

    handlers: Dict[Any, Any] = {
        EngineError: on_engine_error,
        ClientGone: on_client_gone,
        HTTPException: on_http_error,
        Exception: on_any_error,
    }
    app = FastAPI(title="CosyVoice engine", version="1", lifespan=lifespan, exception_handlers=handlers)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["X-Sample-Rate", "X-Model", "X-Request-ID"],
    )
    app.add_middleware(RequestLog)
    add_synthesis_routes(app)
    add_voice_routes(app, voices)
    add_state_routes(app, loader)
    return app


def add_synthesis_routes(app: FastAPI) -> None:
    def endpoint_for(mode: str) -> Callable[..., Any]:
        async def endpoint(request: Request) -> Response:
            return await app.state.service.synthesise(request, mode)  # type: ignore[no-any-return]

        endpoint.__doc__ = "Speak in mode {}: little-endian int16 mono PCM.".format(mode)
        return endpoint

    for mode, fields in ROUTE_FIELDS.items():
        for method in ("GET", "POST"):
            app.add_api_route(
                "/inference_" + mode,
                endpoint_for(mode),
                methods=[method],
                response_class=Response,
                name=mode,
                operation_id="{}_{}".format(mode, method.lower()),
                openapi_extra=form_schema(fields),
            )


def add_voice_routes(app: FastAPI, voices: VoiceStore) -> None:
    @app.post("/voices", status_code=201)
    async def register(request: Request) -> Response:
        return await app.state.service.register(request)  # type: ignore[no-any-return]

    @app.get("/voices")
    async def list_voices() -> Response:
        return JSONResponse({"data": [dataclasses.asdict(voice) for voice in voices.list()]})

    @app.get("/voices/{voice_id:path}")
    async def show_voice(voice_id: str) -> Response:
        return JSONResponse(dataclasses.asdict(voices.get(voice_id)))

    @app.delete("/voices/{voice_id:path}", status_code=204)
    async def remove_voice(voice_id: str) -> Response:
        voices.remove(voice_id)
        return Response(status_code=204)


def add_state_routes(app: FastAPI, loader: Loader) -> None:
    @app.get("/health")
    async def health() -> Response:
        return JSONResponse(app.state.service.health())

    @app.get("/ready")
    async def ready() -> Response:
        loader.require_engine()
        return JSONResponse({"state": "ready"})


def main(argv: Optional[List[str]] = None) -> int:
    """Serve until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(description="CosyVoice's HTTP server; further settings: COSYVOICE_* variables.")
    parser.add_argument("--host", default=None)
    parser.add_argument("--port", type=int, default=None)
    parser.add_argument("--model_dir", default=None, help="local path or ModelScope id")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = Settings.from_environment(
            os.environ, host=arguments.host, port=arguments.port, model=arguments.model_dir
        )
    except ValueError as error:
        parser.error(str(error))
    remove_leftovers()
    voices = VoiceStore(Path(settings.voices_dir), settings.voices_max, settings.voices_in_memory)
    loader = Loader(settings, voices)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, loader, voices),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )
    )

    def stop_server(*_: Any) -> None:
        server.should_exit = True

    loader.stop_server = stop_server
    # Uvicorn handles the signal while it runs and raises it again afterwards, which would hide our exit code.
    signal.signal(signal.SIGTERM, stop_server)
    server.run()
    return loader.exit_code


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # A model's threads can't be interrupted and would keep the process for as long as they compute.
    os._exit(code)
