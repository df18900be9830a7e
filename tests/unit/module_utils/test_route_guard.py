"""The way to whoever is connected, in a network of the test's own, with Docker's bridges made by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

PEER = "172.17.0.9"
# The host's only card, and the way to the peer through a gateway; then whatever a test does while the guard watches.
NETWORK = """
set -e
ip link set lo up
ip link add eth9 type veth peer name far9
ip address add 10.9.0.2/24 dev eth9
ip link set eth9 up
ip link set far9 up
ip route add default via 10.9.0.1
{python} {guard} {note} {seconds} {peers} &
guard=$!
sleep 2
{change}
wait $guard
ip -brief link >{folder}/left
"""
TAKE = "ip link add {0} type bridge; ip address add 172.17.0.1/16 dev {0}; ip link set {0} up"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the stand-in for systemctl writes what it was asked."""
    (tmp_path / "bin").mkdir()
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\n')
    systemctl.chmod(0o755)
    return tmp_path


def watched(folder: Path, change: str, *, peers: str = PEER, seconds: int = 6) -> dict[str, str] | None:
    """Watch while the network changes; returns the note, or None where there is none."""
    script = NETWORK.format(
        python=sys.executable,
        guard=ROOT / "module_utils" / "route_guard.py",
        note=folder / "note.json",
        seconds=seconds,
        peers=peers,
        change=change,
        folder=folder,
    )
    environment = {"PATH": f"{folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    command = ["unshare", "--net", "sh", "-c", script]
    subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True)
    note = folder / "note.json"
    return json.loads(note.read_text()) if note.exists() else None


@pytest.mark.parametrize("bridge", ["docker0", "br-0123456789ab", "tp-in-voice", "tp-out-voice"])
def test_a_bridge_that_takes_the_way_is_given_back(folder: Path, bridge: str) -> None:
    assert watched(folder, TAKE.format(bridge)) == {"peer": PEER, "device": bridge}
    assert (folder / "asked").read_text() == "disable --now docker.socket docker.service\n"
    assert f"{bridge} " not in (folder / "left").read_text()


@pytest.mark.parametrize(
    "change",
    [
        TAKE.format("docker0").replace("172.17.", "172.30."),
        TAKE.format("br-lan"),
        "ip route add 172.17.0.0/16 via 10.9.0.7",
        "true",
    ],
    ids=["other addresses", "a bridge of the owner's", "another gateway", "nothing"],
)
def test_whatever_else_happens_is_left_alone(folder: Path, change: str) -> None:
    assert watched(folder, change, seconds=4) is None
    assert not (folder / "asked").exists()


def test_a_peer_behind_a_bridge_from_the_start_is_no_loss(folder: Path) -> None:
    """A container that is connected to its own host."""
    assert watched(folder, TAKE.format("docker0"), peers="10.9.0.1", seconds=4) is None
