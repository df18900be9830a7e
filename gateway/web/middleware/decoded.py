"""Bodies that clients compressed: decoded within bounds, or refused with the reason."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.domain.errors import GatewayError, body_too_large, invalid_request
from gateway.settings import CommonSettings
from gateway.web.errors import HttpError
from gateway.web.operation import operation_of

DECODED = ("gzip", "x-gzip", "deflate")
# What is decoded at once.
PIECE_BYTES = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS


def unsupported_encoding() -> HttpError:
    """The body is compressed in a way that is not decoded here."""
    return HttpError(
        "unsupported_encoding",
        415,
        zh="不支持此请求体的压缩方式：JSON 可用 gzip 或 deflate 压缩（Content-Encoding），上传的文件请勿压缩。",
        en="The body's Content-Encoding is not supported. JSON may be compressed with gzip or deflate; "
        "send uploads as they are.",
    )


class DecodedBodyMiddleware:
    """Decodes compressed JSON, so that the routes read what the client meant.

    Args:
        app: the wrapped application.
        settings: bounds of bodies.
    """

    def __init__(self, app: ASGIApp, *, settings: CommonSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        coding = Headers(scope=scope).get("content-encoding", "").strip().lower()
        if coding in ("", "identity"):
            await self._app(scope, receive, send)
            return
        operation = operation_of(scope)
        # Files come compressed already; decoding them would cost more than it saves.
        if coding not in DECODED or operation.uploads is not None or operation.streamed is not None:
            raise unsupported_encoding()
        pieces = _decoded(receive, coding, limit=operation.body_bytes(self._settings))
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in _OF_THE_CODED_BODY]
        await self._app(scope, _Receive(receive, pieces), send)


_OF_THE_CODED_BODY = (b"content-encoding", b"content-length")


class _Receive:
    """What the wrapped application receives: the decoded body, then whatever follows it."""

    def __init__(self, receive: Receive, pieces: AsyncIterator[bytes]) -> None:
        self._receive = receive
        self._pieces = pieces
        self._ended = False

    async def __call__(self) -> Message:
        if self._ended:
            return await self._receive()
        try:
            return {"type": "http.request", "body": await anext(self._pieces), "more_body": True}
        except StopAsyncIteration:
            self._ended = True
            return {"type": "http.request", "body": b"", "more_body": False}


async def _decoded(receive: Receive, coding: str, *, limit: int) -> AsyncIterator[bytes]:
    """The decoded body, in small pieces.

    Raises:
        ClientDisconnect: the client left.
        GatewayError: ``body_too_large``, ``invalid_encoding``.
    """
    decoder, size, more = None, 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        left, more = message.get("body", b""), message.get("more_body", False)
        if left and decoder is None:
            decoder = _decoder(coding, left[0])
        while decoder is not None:
            if decoder.eof and left:
                raise _invalid_encoding()
            piece, left = _decode(decoder, left)
            size += len(piece)
            if size > limit:
                raise body_too_large(limit)
            if piece:
                yield piece
            if len(piece) < PIECE_BYTES and not left:
                break
    if decoder is not None and not decoder.eof:
        raise _invalid_encoding()


def _decoder(coding: str, first: int) -> zlib._Decompress:
    if coding != "deflate":
        return zlib.decompressobj(_GZIP)
    # By the standard "deflate" has zlib's head; some clients send it without.
    has_head = first & 0x0F == zlib.DEFLATED
    return zlib.decompressobj(zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS)


def _decode(decoder: zlib._Decompress, data: bytes) -> tuple[bytes, bytes]:
    """A piece of the output, and what is left of the input."""
    try:
        piece = decoder.decompress(data, PIECE_BYTES)
    except zlib.error as error:
        raise _invalid_encoding() from error
    return piece, decoder.unconsumed_tail or decoder.unused_data


def _invalid_encoding() -> GatewayError:
    return invalid_request(
        "请求体无法解压：内容与 Content-Encoding 不符，或不完整。",
        "The body can't be decompressed: it is not what its Content-Encoding says, or it is cut.",
        code="invalid_encoding",
    )
