# SPDX-License-Identifier: Apache-2.0
"""Running apt-get and apt-config on the host that this runs on."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from dataclasses import dataclass
from typing import Callable, Dict, Mapping, Optional, Sequence

from .apt_messages import is_locked
from .host_commands import output_of

# needrestart only lists what it would restart: services of others are not ours to stop.
_ENVIRONMENT = {
    "LC_ALL": "C",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
}
# A changed configuration file of the host is kept, as nobody is there to be asked.
_KEEP_FILES = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
_LOCK_PAUSE_S = 2.0


@dataclass(frozen=True)
class Outcome:
    """What a run of apt-get gave: its exit status (124: it took too long) and everything it said."""

    code: int
    text: str


def apt_get(arguments: Sequence[str], seconds: float, environment: Optional[Mapping[str, str]] = None) -> Outcome:
    """Run apt-get without a question, for at most ``seconds``; ``environment`` is added to this process's own."""
    merged = {**os.environ, **(environment or {}), **_ENVIRONMENT}
    try:
        done = subprocess.run(
            ["apt-get", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            env=merged,
        )
    except subprocess.TimeoutExpired as late:
        return Outcome(124, _text(late.stdout) + _text(late.stderr))
    return Outcome(done.returncode, _text(done.stdout) + _text(done.stderr))


def patient(run: Callable[[], Outcome], lock_timeout: float) -> Outcome:
    """``run`` until no other program holds apt's locks, for at most ``lock_timeout`` seconds."""
    deadline = time.monotonic() + lock_timeout
    while True:
        outcome = run()
        if not outcome.code or not is_locked(outcome.text) or time.monotonic() >= deadline:
            return outcome
        time.sleep(min(_LOCK_PAUSE_S, max(0.0, deadline - time.monotonic())))


def install_arguments(names: Sequence[str], options: Mapping[str, bool]) -> Sequence[str]:
    """The command that installs packages.

    Args:
        names: NAME or NAME=VERSION.
        options: recommends, removals, downgrades, held: what apt may do besides.
    """
    words = ["--assume-yes", *_KEEP_FILES]
    words.append("--install-recommends" if options.get("recommends") else "--no-install-recommends")
    if not options.get("removals"):
        words.append("--no-remove")
    if options.get("downgrades"):
        words.append("--allow-downgrades")
    if options.get("held"):
        words.append("--allow-change-held-packages")
    return [*words, "install", *names]


def folders() -> Dict[str, str]:
    """Apt's folders ``lists`` and ``etc`` and dpkg's ``dpkg``; empty where there is no apt."""
    text = output_of(["apt-config", "shell", "lists", "Dir::State::lists/d", "etc", "Dir::Etc/d"])
    found = dict(word.split("=", 1) for word in shlex.split(text))
    return dict(found, dpkg=os.environ.get("DPKG_ADMINDIR", "/var/lib/dpkg")) if found else {}


def _text(data: Optional[bytes]) -> str:
    return (data or b"").decode("utf-8", "replace")
