"""Forms in constant memory, whatever order and pieces they come in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from gateway.domain.errors import GatewayError
from gateway.infrastructure.incoming import IncomingFolder
from gateway.web.multipart import Limits, ReceivedForm, receive_form

BOUNDARY = "-" * 24 + "b"
END = f"--{BOUNDARY}--\r\n".encode()


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    named = "" if filename is None else f'; filename="{filename}"'
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + value + b"\r\n"


def request(body: bytes, *, piece: int, kind: str) -> Request[Any]:
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)]

    async def receive() -> Message:
        if not pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    headers = [(b"content-type", kind.encode())]
    return Request({"type": "http", "headers": headers}, receive)


@asynccontextmanager
async def received(
    folder: Path,
    body: bytes,
    *,
    piece: int = 1 << 16,
    kind: str = f"multipart/form-data; boundary={BOUNDARY}",
    **bounds: Any,
) -> AsyncIterator[ReceivedForm]:
    incoming = IncomingFolder(folder, reserve_bytes=bounds.pop("reserve_bytes", 0))
    limits = Limits(**{"file_bytes": 100, **bounds})
    asked = request(body, piece=piece, kind=kind)
    async with receive_form(asked, incoming=incoming, file_fields=frozenset({"a", "b"}), limits=limits) as form:
        yield form


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def content(path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
async def test_parts_may_come_in_any_order_and_pieces(tmp_path: Path, piece: int) -> None:
    body = part("b", b"second", "录音 1.wav") + part("text", "你好".encode()) + part("a", b"\r\n--", "") + END
    async with received(tmp_path, body, piece=piece) as form:
        assert form.fields == {"text": "你好"}
        assert {name: content(file.path) for name, file in form.files.items()} == {"a": b"\r\n--", "b": b"second"}
        assert [(file.filename, file.number) for file in form.files.values()] == [("录音 1.wav", 0), ("", 1)]
    assert left_in(tmp_path) == []


async def test_a_renamed_file_stays(tmp_path: Path) -> None:
    async with received(tmp_path, part("a", b"kept", "x") + END) as form:
        form.files["a"].path.rename(tmp_path / "kept")
    assert left_in(tmp_path) == [tmp_path / "kept"]


async def test_files_are_hashed_only_on_request(tmp_path: Path) -> None:
    body = part("a", b"abc", "x") + END
    async with received(tmp_path, body) as form:
        assert form.files["a"].sha256.startswith("ba7816bf")
    async with received(tmp_path, body, digest=False) as form:
        assert form.files["a"].sha256 == ""


async def test_files_of_other_names_are_skipped(tmp_path: Path) -> None:
    async with received(tmp_path, part("other", b"x" * 1000, "x") + END) as form:
        assert (dict(form.fields), dict(form.files)) == ({}, {})


@pytest.mark.parametrize(
    ("body", "bounds", "code"),
    [
        (part("a", b"x" * 101, "x") + END, {}, "body_too_large"),
        (part("a", b"x" * 60, "x") + part("b", b"x" * 60, "x") + END, {}, "body_too_large"),
        (part("text", b"x" * 11) + END, {"field_bytes": 10}, "body_too_large"),
        (part("text", b"x") * 3 + END, {"parts": 2}, "invalid_multipart"),
        (part("a", b"x", "x") * 3 + END, {"files": 2}, "invalid_multipart"),
        (part("a", b"never ends", "x"), {}, "invalid_multipart"),
        (b"no form at all", {}, "invalid_multipart"),
        (part("a", b"x", "x") + END, {"reserve_bytes": 1 << 60}, "storage_full"),
        (part("a", b"x", "x") + END, {"kind": "application/json"}, "not_multipart"),
        (part("a", b"x", "x") + END, {"kind": "multipart/form-data"}, "not_multipart"),
        (part("a", b"x", "x") + END, {"kind": "multipart/form-data; boundary=" + "x" * 300}, "invalid_multipart"),
    ],
)
async def test_a_form_over_a_limit_or_broken_leaves_nothing(
    tmp_path: Path, body: bytes, bounds: dict[str, Any], code: str
) -> None:
    with pytest.raises(GatewayError) as refusal:
        async with received(tmp_path, body, **bounds):
            raise AssertionError("must not be reached")
    assert refusal.value.code == code
    assert left_in(tmp_path) == []
