"""Parsing of urlencoded and multipart forms, with bounds on size and number of parts."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, Callable, Dict, Optional
from urllib.parse import parse_qsl

from .errors import EngineError
from .scratch import Scratch

try:
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header
except ImportError:  # python-multipart before 0.0.13
    from multipart.exceptions import FormParserError  # type: ignore[import-untyped, no-redef]
    from multipart.multipart import MultipartParser, parse_options_header  # type: ignore[import-untyped, no-redef]


@dataclasses.dataclass
class Form:
    """A request's fields and the paths of its files, by name."""

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

    Raises EngineError for a malformed body, an exceeded limit, and a file name that tries to leave its folder.
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
        self._parse(lambda: self._parser.write(data))

    def close(self) -> Form:
        """The form, once the last boundary was seen."""
        self._parse(self._parser.finalize)
        if not self._complete:
            raise EngineError(400, "bad_request", "The multipart body ends before its last boundary.")
        return self.form

    @staticmethod
    def _parse(step: Callable[[], Any]) -> None:
        try:
            step()
        except FormParserError as error:
            raise EngineError(400, "bad_request", "The form can't be read: {}".format(error)) from error

    def abandon(self) -> None:
        """Close the file of a part that was not read to its end."""
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
    """Collects an urlencoded body and parses it at the end."""

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
    """Reject names that leave their folder. Names are never used for a path, so only an attack contains one."""
    if ".." in re.split(r"[/\\]", name) or "\0" in name:
        raise EngineError(422, "field_invalid", "The file name must not contain '..' or a zero byte.")


def decode_text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise EngineError(400, "bad_request", "The form is not UTF-8 text.") from None


def form_reader(content_type: str, scratch: Scratch, limits: FormLimits) -> Any:
    """The reader for a content type. Raises EngineError 400 or 415."""
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        if not options.get(b"boundary"):
            raise EngineError(400, "bad_request", "The multipart body has no boundary.")
        return MultipartReader(options[b"boundary"], scratch, limits)
    if kind in {b"application/x-www-form-urlencoded", b""}:
        return UrlencodedReader(limits)
    raise EngineError(415, "unsupported_media_type", "Send a form: multipart or urlencoded.")
