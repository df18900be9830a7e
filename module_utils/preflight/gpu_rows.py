# SPDX-License-Identifier: Apache-2.0
"""Rules about the GPUs and their driver. No I/O."""

from __future__ import annotations

from typing import List, Optional

from ..docker_installation import version_tuple
from .model import FAIL, OK, WARN, Host, Row, Wanted

_BLACKWELL = (12, 0)
_BLACKWELL_DRIVER = "570"
_OLDEST_CAPABILITY = (5, 0)
_DATED_CAPABILITY = (7, 0)
# Xid numbers, here as in the doctor's catalogue: the card has left the bus or its firmware is dead; its memory or its
# link to other cards is failing.
_XID_GONE = {79, 119, 120}
_XID_FAILING = {48, 63, 64, 74, 94, 95}
_FAULT_TEXTS = {
    "missing": (
        "no nvidia-smi: the NVIDIA driver is not installed",
        "Choose a server image with the driver, or set nvidia_container_toolkit_driver to 'install'.",
    ),
    "mismatch": (
        "the driver was upgraded under the running kernel (Driver/library version mismatch)",
        "Reboot the server; nvidia_container_toolkit_driver 'hold' keeps it from happening again.",
    ),
    "no-module": (
        "nvidia-smi can't reach the driver: its kernel module is not loaded",
        "Reboot the server; if that does not help, reinstall the driver for kernel {kernel}.",
    ),
    "no-card": (
        "the driver sees no GPU",
        "Ask the provider for the card you rent; without one set engine_mode to 'preview'.",
    ),
    "lost-card": (
        "a GPU has fallen off the bus",
        "Reboot the server; if the error returns, ask the provider for another one.",
    ),
    "nvml": ("the driver's library can't start", "Reboot the server; if that does not help, reinstall the driver."),
    "unreadable": ("nvidia-smi gives no usable answer", "Run nvidia-smi on the server and repair the driver."),
}


def driver(host: Host, wanted: Wanted) -> Row:
    """Whether the driver answers and knows the cards."""
    if host.cards.fault:
        detail, cure = _FAULT_TEXTS[host.cards.fault]
        if host.nouveau:
            detail += "; the free nouveau driver uses the card"
            cure += " Keep nouveau from loading and reboot."
        if host.secure_boot and host.cards.fault in ("no-module", "missing"):
            cure += " Secure Boot is on and lets only signed modules in."
        return Row("driver", FAIL, detail, cure.format(kernel=host.kernel))
    driver = host.cards.cards[0].driver
    if version_tuple(driver) < version_tuple(wanted.driver):
        return Row(
            "driver",
            FAIL,
            "{0} is older than {1}".format(driver, wanted.driver),
            "Install driver {0} or newer.".format(wanted.driver),
        )
    blackwell = any(card.capability >= _BLACKWELL for card in host.cards.cards)
    if blackwell and version_tuple(driver) < version_tuple(_BLACKWELL_DRIVER):
        detail = "{0} does not support 50-series cards".format(driver)
        return Row("driver", FAIL, detail, "Install driver 570 or newer.")
    return Row("driver", OK, driver)


def cards(host: Host) -> List[Row]:
    """One row for each card: its generation and its memory."""
    rows = []
    for card in host.cards.cards:
        name = "gpu {0}".format(card.index)
        capability = ".".join(map(str, card.capability))
        detail = "{0}, {1:.1f} GiB, compute capability {2}".format(
            card.name, card.memory_mib / 1024, capability or "unknown"
        )
        if card.capability and card.capability < _OLDEST_CAPABILITY:
            rows.append(
                Row(
                    name,
                    FAIL,
                    detail + ": too old for the engines' PyTorch",
                    "Rent a newer card (capability 7.0 or more).",
                )
            )
        elif card.capability and card.capability < _DATED_CAPABILITY:
            rows.append(
                Row(name, WARN, detail + ": old, likely to be slow", "A card of capability 7.0 or more is better.")
            )
        elif card.capability >= _BLACKWELL:
            rows.append(Row(name, OK, detail + ": 50-series, gets the images made for it"))
        else:
            rows.append(Row(name, OK, detail))
    return rows


def vram(host: Host, wanted: Wanted) -> Optional[Row]:
    """Whether the largest card has the memory that both engines need; None without cards."""
    if not host.cards.cards:
        return None
    largest = max(card.memory_mib for card in host.cards.cards)
    size = "{0:.1f} GiB".format(largest / 1024)
    if largest < wanted.vram_mib[0]:
        return Row("gpu memory", FAIL, size + ": speech may run, video will not", "Rent a card with at least 8 GB.")
    if largest < wanted.vram_mib[1]:
        return Row(
            "gpu memory",
            WARN,
            size + ": either engine runs, both together may run out of memory",
            "Let speech finish before a video starts, or rent a card with 12 GB or more.",
        )
    return Row("gpu memory", OK, size + ": both engines fit")


def xids(host: Host) -> Row:
    """Errors of the cards in the kernel's log."""
    if not host.xids:
        return Row("gpu errors", OK, "none in the kernel log")
    text = ", ".join("Xid {1} on {0}".format(*xid) for xid in host.xids)
    numbers = {number for _address, number in host.xids}
    if numbers & _XID_GONE:
        return Row(
            "gpu errors",
            FAIL,
            text + ": the card is lost",
            "Reboot; if the error returns, ask the provider for another server.",
        )
    if numbers & _XID_FAILING:
        return Row(
            "gpu errors", WARN, text + ": the card or its memory is failing", "Ask the provider for another server."
        )
    return Row("gpu errors", WARN, text + ": most likely a program's fault", "Nothing to do unless it continues.")
