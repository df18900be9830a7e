# SPDX-License-Identifier: Apache-2.0
"""Stops Docker where its networks take the way to somebody who is connected: ``python3 -c SOURCE NOTE SECONDS PEER…``.

A program of its own, with nothing but the standard library, because it must go on when the connection that started it
hears nothing any more. It looks once a second; where the way to a peer leads into a bridge of Docker's and did not
before, it stops Docker, deletes Docker's bridges, and notes why in the file NOTE.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Sequence

# docker0, docker_gwbridge, a network's br-<id>, and the bridges that our compose files name.
BRIDGE = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}|tp-(in|out|pub)-[a-z]+")
PAUSE_S = 1.0


def ask(*words: str) -> List[Dict[str, Any]]:
    """The answer of the program ``ip``; empty where it has none."""
    done = subprocess.run(["ip", "-json", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    try:
        answer: List[Dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        return []
    return answer


def device_to(peer: str) -> str:
    """The interface that a packet to this address leaves by, or "" where there is none."""
    return next((str(route.get("dev", "")) for route in ask("route", "get", peer)), "")


def bridges() -> List[str]:
    """Docker's bridges on this host."""
    names = [str(link.get("ifname", "")) for link in ask("link", "show")]
    return [name for name in names if BRIDGE.fullmatch(name)]


def taken(before: Dict[str, str]) -> Dict[str, str]:
    """The peer that has lost its way, and the bridge that took it; empty while all is well."""
    for peer, device in before.items():
        now = device_to(peer)
        if now != device and BRIDGE.fullmatch(now):
            return {"peer": peer, "device": now}
    return {}


def give_back(note: Path, found: Dict[str, str]) -> None:
    """Stop Docker for good, and leave the note that says why."""
    subprocess.run(["systemctl", "disable", "--now", "docker.socket", "docker.service"], check=False)
    for bridge in bridges():
        subprocess.run(["ip", "link", "delete", bridge], check=False)
    beside = note.with_name("." + note.name)
    beside.write_text(json.dumps(found), encoding="utf-8")
    beside.replace(note)


def watch(note: Path, seconds: float, peers: Sequence[str]) -> bool:
    """Look until the time is over; returns whether Docker had to be stopped."""
    before = {peer: device_to(peer) for peer in peers}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = taken(before)
        if found:
            give_back(note, found)
            return True
        time.sleep(PAUSE_S)
    return False


if __name__ == "__main__":
    watch(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
