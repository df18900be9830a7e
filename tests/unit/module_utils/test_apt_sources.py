"""Switching repository entries of other files off and on again."""

from __future__ import annotations

import pytest

from module_utils.apt_sources import switch_off, switch_on, uris

OURS = "https://download.example/linux"
LINES = (
    "# the vendor's own file\n"
    f"deb [signed-by=/etc/apt/keyrings/vendor.asc] {OURS}/debian bookworm stable\n"
    "deb https://other.example/debian bookworm main\n"
    f"# deb {OURS}/debian bookworm nightly\n"
)
STANZAS = (
    f"Types: deb\nURIs: {OURS}/debian\nSuites: bookworm\nComponents: stable\n\n"
    "Types: deb\nURIs: https://other.example/debian\nSuites: bookworm\nComponents: main\n\n"
    f"Types: deb\nURIs: {OURS}/debian\nSuites: bookworm\nComponents: nightly\nEnabled: no\n"
)


def is_ours(uri: str) -> bool:
    return uri.startswith(OURS)


@pytest.mark.parametrize(("text", "deb822"), [(LINES, False), (STANZAS, True), (STANZAS.rstrip("\n"), True)])
def test_a_file_comes_back_as_it_was(text: str, deb822: bool) -> None:
    off = switch_off(text, deb822, is_ours)

    assert uris(off, deb822) == ["https://other.example/debian"]
    assert switch_off(off, deb822, is_ours) == off
    assert switch_on(off, deb822, is_ours) == text


@pytest.mark.parametrize(("text", "deb822"), [(LINES, False), (STANZAS, True)])
def test_what_others_switched_off_stays_off(text: str, deb822: bool) -> None:
    assert switch_on(text, deb822, is_ours) == text


@pytest.mark.parametrize(("text", "deb822"), [(LINES, False), (STANZAS, True)])
def test_entries_of_another_repository_are_left_as_they_are(text: str, deb822: bool) -> None:
    off = switch_off(text, deb822, is_ours)

    assert switch_on(off, deb822, lambda uri: "unrelated" in uri) == off
