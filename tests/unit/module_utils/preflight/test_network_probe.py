"""Names of package archives are asked only where nothing else could be resolved."""

from __future__ import annotations

import socket

import pytest

from module_utils.preflight import network_probe
from module_utils.preflight.model import Probe, Source
from module_utils.preflight.network_probe import archives_resolve

LOST = Source("docker-ce", (Probe("https://docker.example/", problem="name not found"),), required=True, cure="")
FOUND = Source("hub", (Probe("https://hub.example/", 3),), required=True, cure="")


@pytest.mark.parametrize(("known", "resolves"), [("deb.example", True), ("other.example", False)])
def test_one_archive_with_a_known_name_is_enough(monkeypatch: pytest.MonkeyPatch, known: str, resolves: bool) -> None:
    def look_up(name: str, _port: int) -> list[str]:
        if name != known:
            raise socket.gaierror(-2, "Name or service not known")
        return ["an address"]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(
        network_probe, "archive_uris", lambda: ["file:/srv/a", "http://gone.example/a", "http://deb.example/a"]
    )
    assert archives_resolve([LOST]) is resolves


def test_nothing_is_asked_where_a_name_was_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_probe, "archive_uris", lambda: pytest.fail("asked"))
    assert archives_resolve([LOST, FOUND]) is False
