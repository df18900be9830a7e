"""How many WebSockets one address has open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.domain.errors import ErrorKind, GatewayError


def too_many_streams(limit: int) -> GatewayError:
    """The address has as many WebSockets open as it may."""
    return GatewayError(
        "too_many_streams",
        ErrorKind.LIMITED,
        zh=f"同一地址最多同时打开 {limit} 个文本流，请先关闭其中一些。",
        en=f"One address may have {limit} text streams open at once. Close some of them.",
        retry_after=10,
    )


class StreamCount:
    """The open WebSockets of each address."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def counted(self, address: str) -> Iterator[None]:
        """Count one while it is open.

        Raises:
            GatewayError: ``too_many_streams``.
        """
        if self._open[address] >= self._most:
            raise too_many_streams(self._most)
        self._open[address] += 1
        try:
            yield
        finally:
            self._open[address] -= 1
            self._open = +self._open
