"""What nvidia-smi and the kernel say of the cards."""

from __future__ import annotations

import pytest

from module_utils.nvidia_cards import (
    Card,
    Cards,
    MemoryUse,
    asks_for_less,
    needed_modules,
    parse_cards,
    parse_memory,
    parse_xids,
)

RTX_4090 = Card(0, "NVIDIA GeForce RTX 4090", "550.163.01", 24564, (8, 9))
FULL = "0, NVIDIA GeForce RTX 4090, 550.163.01, 24564, 8.9\n1, NVIDIA A100-SXM4-80GB, 550.163.01, 81920, 8.0\n"


@pytest.mark.parametrize(
    ("code", "output", "cards"),
    [
        (0, FULL, Cards((RTX_4090, Card(1, "NVIDIA A100-SXM4-80GB", "550.163.01", 81920, (8, 0))))),
        (0, "0, Tesla T4, 470.256.02, 15109\n", Cards((Card(0, "Tesla T4", "470.256.02", 15109, ()),))),
        (
            18,
            "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.163\n",
            Cards(fault="mismatch"),
        ),
        (
            9,
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure",
            Cards(fault="no-module"),
        ),
        (6, "No devices were found\n", Cards(fault="no-card")),
        (15, "Unable to determine the device handle for GPU0000:01:00.0: Unknown Error\n", Cards(fault="lost-card")),
        (255, "Failed to initialize NVML: Unknown Error\n", Cards(fault="nvml")),
        (1, "", Cards(fault="unreadable")),
        (0, "", Cards(fault="unreadable")),
    ],
)
def test_the_output_of_nvidia_smi_is_parsed(code: int, output: str, cards: Cards) -> None:
    assert parse_cards(code, output) == cards


def test_an_old_driver_gets_a_simpler_query() -> None:
    assert asks_for_less('Field "compute_cap" is not a valid field to query.\n')
    assert not asks_for_less(FULL)


def test_xids_are_found_once_each() -> None:
    log = (
        "kernel: NVRM: Xid (PCI:0000:65:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.\n"
        "kernel: NVRM: Xid (PCI:0000:65:00): 79, pid=1, GPU has fallen off the bus.\n"
        "kernel: NVRM: GPU 0000:65:00.0: GPU has fallen off the bus.\n"
        "kernel: NVRM: Xid (PCI:0000:b3:00): 31, pid=4242, name=python3, Ch 00000008\n"
    )
    assert parse_xids(log) == [("0000:65:00", 79), ("0000:b3:00", 31)]


@pytest.mark.parametrize(
    ("devices", "modules"),
    [
        ((), ""),
        ((0x2684,), ""),  # RTX 4090
        ((0x1E04, 0x2330, 0x28E0), ""),  # RTX 2080 Ti, H100, RTX 4060 of a laptop
        ((0x1DB6,), "proprietary"),  # V100
        ((0x1B06, 0x2684), "proprietary"),  # GTX 1080 Ti
        ((0x2B85,), "open"),  # RTX 5090
        ((0x2D05,), "open"),  # RTX 5060
        ((0x2901, 0x1DB6), "open"),  # B200
    ],
)
def test_the_cards_say_which_modules_they_need(devices: tuple[int, ...], modules: str) -> None:
    assert needed_modules(devices) == modules


def test_memory_is_told_card_by_card_with_its_processes() -> None:
    cards = "0, GPU-a, 9000, 24564\n1, GPU-b, 4, 24564\n2, GPU-c, [N/A], [N/A]\n"
    processes = "GPU-a, 70, 8000\nGPU-a, 71, [N/A]\nno line of ours\n"
    assert parse_memory(cards, processes) == [
        MemoryUse(0, 9000, 24564, ((70, 8000), (71, 0))),
        MemoryUse(1, 4, 24564),
    ]
