# SPDX-License-Identifier: Apache-2.0
"""Reading nvidia-smi and the kernel's NVIDIA messages: rules only, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

QUERY = ("index", "name", "driver_version", "memory.total", "compute_cap")
# Drivers before about 510 refuse a query that holds compute_cap.
OLD_QUERY = QUERY[:-1]
MEMORY_QUERY = ("index", "uuid", "memory.used", "memory.total")

_FAULTS = (
    ("Driver/library version mismatch", "mismatch"),
    ("couldn't communicate with the NVIDIA driver", "no-module"),
    ("No devices were found", "no-card"),
    ("Unable to determine the device handle", "lost-card"),
    ("Failed to initialize NVML", "nvml"),
)
# PCI device ids grow with the generations: the first of Turing, the first after Ada (Blackwell).
_TURING, _BLACKWELL = 0x1E00, 0x2900
_XID = re.compile(r"NVRM: Xid \(PCI:([0-9A-Fa-f:.]+)\): (\d+)")


@dataclass(frozen=True)
class Card:
    """One GPU. ``memory_mib`` is its total memory; ``capability`` is (major, minor), () if not reported."""

    index: int
    name: str
    driver: str
    memory_mib: int
    capability: Tuple[int, ...]


@dataclass(frozen=True)
class Cards:
    """The output of nvidia-smi: the cards, or the ``fault`` that prevented it (missing, mismatch, …)."""

    cards: Tuple[Card, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class MemoryUse:
    """Memory of one GPU in MiB, and what each process holds of it, as (process, MiB)."""

    index: int
    used_mib: int
    total_mib: int
    processes: Tuple[Tuple[int, int], ...] = ()


def parse_memory(cards: str, processes: str) -> List[MemoryUse]:
    """Read the answers to MEMORY_QUERY and to ``--query-compute-apps=gpu_uuid,pid,used_memory``.

    Both are csv without units. A process whose share the driver does not tell counts as 0.
    """
    held: Dict[str, List[Tuple[int, int]]] = {}
    for columns in _csv(processes, 3):
        if columns[1].isdecimal():
            held.setdefault(columns[0], []).append((int(columns[1]), int(columns[2]) if columns[2].isdecimal() else 0))
    return [
        MemoryUse(int(index), int(used), int(total), tuple(held.get(uuid, [])))
        for index, uuid, used, total in _csv(cards, 4)
        if index.isdecimal() and used.isdecimal() and total.isdecimal()
    ]


def parse_cards(code: int, output: str) -> Cards:
    """Read the output of ``nvidia-smi --query-gpu=… --format=csv,noheader,nounits`` for QUERY or OLD_QUERY.

    ``code`` is its exit status; ``output`` holds standard output and error, because it complains on either.
    """
    for text, fault in _FAULTS:
        if text in output:
            return Cards(fault=fault)
    cards = tuple(card for card in map(_card, output.splitlines()) if card)
    if code or not cards:
        return Cards(fault="unreadable")
    return Cards(cards)


def asks_for_less(output: str) -> bool:
    """Whether the driver is too old for the whole query."""
    return "is not a valid field to query" in output


def parse_xids(kernel_log: str) -> List[Tuple[str, int]]:
    """The Xid errors in a kernel log as (PCI address, number), each once, in order."""
    return list(dict.fromkeys((found.group(1), int(found.group(2))) for found in _XID.finditer(kernel_log)))


def needed_modules(devices: Sequence[int]) -> str:
    """Which of the driver's kernel modules cards of these PCI device ids need: open, proprietary, or "" for either.

    NVIDIA's open modules know Turing and newer, the proprietary ones end before Blackwell; that decides where both are.
    """
    if any(device >= _BLACKWELL for device in devices):
        return "open"
    return "proprietary" if any(device < _TURING for device in devices) else ""


def _card(line: str) -> Optional[Card]:
    columns = [column.strip() for column in line.split(",")]
    if len(columns) not in (len(QUERY), len(OLD_QUERY)) or not columns[0].isdigit():
        return None
    memory = re.match(r"\d+", columns[3])
    capability = tuple(int(part) for part in re.findall(r"\d+", columns[4])) if len(columns) == len(QUERY) else ()
    return Card(int(columns[0]), columns[1], columns[2], int(memory.group()) if memory else 0, capability)


def _csv(text: str, width: int) -> List[List[str]]:
    rows = [[column.strip() for column in line.split(",")] for line in text.splitlines()]
    return [row for row in rows if len(row) == width]
