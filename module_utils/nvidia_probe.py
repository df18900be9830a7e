# SPDX-License-Identifier: Apache-2.0
"""Asking nvidia-smi on the host that this runs on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import List, Sequence, Tuple

from .host_commands import output_of, text_of
from .nvidia_cards import MEMORY_QUERY, OLD_QUERY, QUERY, Cards, MemoryUse, asks_for_less, parse_cards, parse_memory

_SECONDS = 30
_PCI = Path("/sys/bus/pci/devices")
_VENDOR = "0x10de"
_DISPLAY = "0x03"  # the class of graphics cards, with a screen or without


def ask_cards() -> Cards:
    """The GPUs that nvidia-smi lists, or why it lists none."""
    if not shutil.which("nvidia-smi"):
        return Cards(fault="missing")
    code, output = _query(QUERY)
    if asks_for_less(output):
        code, output = _query(OLD_QUERY)
    return parse_cards(code, output)


def ask_memory() -> List[MemoryUse]:
    """The memory of each GPU and the processes that hold it; [] where nvidia-smi does not tell."""
    options = ["--format=csv,noheader,nounits"]
    cards = output_of(["nvidia-smi", "--query-gpu=" + ",".join(MEMORY_QUERY), *options], seconds=_SECONDS)
    if not cards:
        return []
    processes = output_of(["nvidia-smi", "--query-compute-apps=gpu_uuid,pid,used_memory", *options], seconds=_SECONDS)
    return parse_memory(cards, processes)


def pci_devices() -> List[int]:
    """The PCI device ids of NVIDIA's cards; the kernel knows them without a driver."""
    return sorted(
        int(text_of(str(folder / "device")) or "0", 16)
        for folder in _PCI.glob("*")
        if text_of(str(folder / "vendor")).strip() == _VENDOR and text_of(str(folder / "class")).startswith(_DISPLAY)
    )


def _query(fields: Sequence[str]) -> Tuple[int, str]:
    """Exit status and whole output of one query; a driver that hangs counts as unreadable."""
    command = ["nvidia-smi", "--query-gpu=" + ",".join(fields), "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 1, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")
