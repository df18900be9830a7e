"""The smallest MTU on the way outside, whatever `ip` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from module_utils import link_mtu
from module_utils.link_mtu import outer_mtu
from tests.support.played_roles import stand_in


@pytest.mark.parametrize(
    ("four", "six", "found"),
    [
        ([{"dst": "default", "dev": "eth0"}], [], ("eth0", 1500)),
        ([{"dst": "default", "dev": "eth0"}, {"dst": "default", "dev": "wg0"}], [], ("wg0", 1420)),
        ([{"dst": "default", "dev": "eth0"}], [{"dst": "default", "dev": "wg0"}], ("wg0", 1420)),
        ([{"dst": "default", "dev": "eth0", "metrics": [{"mtu": 1460}]}], [], ("eth0", 1460)),
        ([{"dst": "default", "dev": "gone0"}], [], ("", 0)),
        ([], [], ("", 0)),
    ],
)
def test_the_narrowest_link_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, four: list[Any], six: list[Any], found: tuple[str, int]
) -> None:
    (tmp_path / "four").write_text(json.dumps(four))
    (tmp_path / "six").write_text(json.dumps(six))
    choose = f'#!/bin/sh\n[ "$2" = -4 ] && exec cat {tmp_path}/four\nexec cat {tmp_path}/six\n'
    stand_in(tmp_path / "bin", "ip", choose)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    carried = {"/sys/class/net/eth0/mtu": "1500\n", "/sys/class/net/wg0/mtu": "1420\n"}
    monkeypatch.setattr(link_mtu, "text_of", lambda path: carried.get(path, ""))
    assert outer_mtu() == found


def test_a_host_without_ip_has_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert outer_mtu() == ("", 0)
