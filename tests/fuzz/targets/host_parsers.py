"""What programs and files of a host say: parsers that take any text."""

from __future__ import annotations

from collections.abc import Callable

from module_utils.apt_sources import switch_off, switch_on, uris
from module_utils.docker_installation import parse_dpkg, parse_rpm, version_tuple
from module_utils.nvidia_cards import parse_cards, parse_xids
from module_utils.os_release import parse_os_release
from module_utils.socket_table import default_interfaces, parse_tcp

PARSERS: tuple[Callable[[str], object], ...] = (
    parse_dpkg,
    parse_rpm,
    version_tuple,
    parse_xids,
    lambda text: parse_os_release(text).major,
    parse_tcp,
    lambda text: parse_cards(0, text),
    lambda text: default_interfaces(text, text),
    lambda text: uris(text, deb822=False),
    lambda text: uris(text, deb822=True),
)


def one_input(data: bytes) -> None:
    """Give any text to the parser that the first byte chooses; switching a source off and on changes nothing."""
    if not data:
        return
    text = data[1:].decode("utf-8", "replace")
    PARSERS[data[0] % len(PARSERS)](text)
    for deb822 in (False, True):
        off = switch_off(text, deb822, lambda _: False)
        assert off == text
        switch_on(off, deb822, lambda _: True)
