"""Structured logs: one JSON object per line on standard output, with the request id where there is one."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from typing import Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

# Their info level repeats our own request line.
NOISY = ("httpx", "httpcore", "aiosqlite", "alembic", "python_multipart")


class _Lines:
    """The output of our loggers, bypassing the standard library, which takes more than half the time of a line.

    A line that can't be written must not fail the request that it reports.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name

    def write(self, line: str) -> None:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except OSError as error:
            with suppress(OSError):
                sys.stderr.write(f"log line lost: {error}\n")

    debug = info = warning = error = critical = write


def configure_logging(*, level: str, fmt: Literal["json", "console"], entry: str) -> None:
    """Send our own lines and the standard library's records through the same processors.

    Tracebacks omit local variables: those contain requests, and so API keys.

    Args:
        level: lowest level that is written.
        fmt: ``json`` for programs, ``console`` for people.
        entry: ``voice`` or ``video``; part of every line.
    """

    def add_entry(_: object, __: str, event: EventDict) -> EventDict:
        event.setdefault("entry", entry)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_entry,
        structlog.processors.StackInfoRenderer(),
    ]
    final = _rendering(fmt)
    least = logging.getLevelNamesMapping()[level.upper()]
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Clients may send half of a surrogate pair, which UTF-8 can't encode.
        sys.stdout.reconfigure(errors="backslashreplace")
    structlog.configure(
        processors=[*shared, *final],
        logger_factory=_Lines,
        wrapper_class=structlog.make_filtering_bound_logger(least),
        cache_logger_on_first_use=True,
    )
    _configure_standard_library(least, shared, final)


def _rendering(fmt: Literal["json", "console"]) -> list[Processor]:
    if fmt == "console":
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _configure_standard_library(least: int, shared: list[Processor], final: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(least)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
