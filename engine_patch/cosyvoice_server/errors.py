"""Errors that reach a client, and the meaning of the model's own exceptions."""

from __future__ import annotations

import errno
import re
import traceback
from typing import Optional, Tuple

from starlette.responses import JSONResponse, Response

RETRY_AFTER_SECONDS = 10


class EngineError(Exception):
    """An answer to the client: an HTTP status, a stable code, a sentence."""

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


class StreamCut(Exception):  # noqa: N818 - names the effect
    """Raised out of the ASGI application after the status line, it makes the HTTP server cut the connection."""


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
# After these, every further call of CUDA in the process fails: only a new process has a working GPU again.
CUDA_DEAD = re.compile(
    r"device-side assert|illegal memory access|illegal instruction was encountered|misaligned address"
    r"|unspecified launch failure|invalid program counter|hardware stack error|launch timed out"
    r"|not supported on (?:global/shared|shared/global) address space|invalid address space"
    r"|[Uu]ncorrectable (?:ECC|NVLink) error|contained by software|external device"
    r"|CUDA error: unknown error|CUDA failure 999|GPU is lost|context is destroyed"
    r"|cudaError(?:Assert|IllegalAddress|IllegalInstruction|MisalignedAddress|LaunchFailure|LaunchTimeout|Unknown"
    r"|ECCUncorrectable|HardwareStackError|InvalidPc|InvalidAddressSpace)\b"
)
CHAIN = 8  # exceptions behind one another that are looked at


def last_line(error: BaseException) -> str:
    """The last line of the error's traceback, at most 500 characters."""
    return "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1][:500]


def cuda_is_dead(error: BaseException) -> bool:
    """Whether the exception, or one that led to it, says that the process has lost the GPU for good."""
    cause: Optional[BaseException] = error
    for _ in range(CHAIN):
        if cause is None:
            return False
        if CUDA_DEAD.search("{}: {}".format(type(cause).__name__, cause)):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def explain_failure(error: BaseException) -> EngineError:
    """Turn an exception of the model into the answer for the client."""
    if isinstance(error, EngineError):
        return error
    if cuda_is_dead(error):
        return EngineError(500, "cuda_dead", "The GPU failed during this request; the engine starts anew.")
    line = last_line(error)
    for pattern, status, code, message in MODEL_FAILURES:
        if re.search(pattern, line):
            return EngineError(status, code, message)
    return EngineError(500, "engine_error", "The model failed: " + line)


def disk_error(error: OSError) -> EngineError:
    """The answer for a file that could not be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return EngineError(507, "disk_full", "The engine's disk is full.")
    return EngineError(500, "engine_error", "The engine can't write its files: " + last_line(error))
