"""Finding the cards on the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils import nvidia_probe


def test_cards_are_found_without_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "0000:01:00.0": ("0x10de", "0x2b85", "0x030000"),
        "0000:01:00.1": ("0x10de", "0x22e8", "0x040300"),  # its sound
        "0000:02:00.0": ("0x10de", "0x2330", "0x030200"),
        "0000:00:02.0": ("0x1a03", "0x2000", "0x030000"),
    }
    for name, values in found.items():
        (tmp_path / name).mkdir()
        for key, value in zip(("vendor", "device", "class"), values, strict=True):
            (tmp_path / name / key).write_text(value + "\n")
    monkeypatch.setattr(nvidia_probe, "_PCI", tmp_path)
    assert nvidia_probe.pci_devices() == [0x2330, 0x2B85]
