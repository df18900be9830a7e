"""Packages for the measurements, from the distribution and the Python index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PROGRAMS = {"nginx": "nginx-light", "haproxy": "haproxy", "taskset": "util-linux", "ssh": "openssh-client"}
SYSTEM_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


class NeedMissing(Exception):  # noqa: N818 - a sentence for the person at the keyboard
    """Something could not be installed; the message says what."""


def program(name: str) -> str:
    """The path of an installed program. Raises NeedMissing."""
    found = shutil.which(name, path=SYSTEM_PATH)
    if found is None:
        raise NeedMissing(f"Please install {PROGRAMS.get(name, name)}: the program {name} is missing.")
    return found


def install() -> None:
    """Install what is missing; quick when nothing is. Raises NeedMissing."""
    _install_programs()
    _install_packages()


def _install_programs() -> None:
    missing = [package for name, package in PROGRAMS.items() if shutil.which(name, path=SYSTEM_PATH) is None]
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise NeedMissing(f"Please install: {' '.join(missing)} (automatic only for root on Debian and Ubuntu).")
    print(f"==> Installing {' '.join(missing)}", flush=True)
    # Their services stay off: only the copies that a case starts itself are used.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["-y", "install", "--no-install-recommends", *missing]):
        done = subprocess.run(
            ["apt-get", "-qq", *command], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NeedMissing(f"apt-get could not install {' '.join(missing)}: {done.stderr.strip()[-300:]}")


def _install_packages() -> None:
    stamp = Path(sys.prefix) / ".twinport-bench"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print("==> Installing the Python packages to compare with", flush=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        str(REQUIREMENTS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NeedMissing(f"pip could not install {REQUIREMENTS}: {done.stderr.strip()[-300:]}")
    stamp.write_text(wanted, encoding="utf-8")
