"""What of our firewall is in force: nothing, wherever the kernel's table is not the one that was confirmed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.support.library_modules import load_library_module
from tests.support.played_roles import stand_in

NFT = """\
#!/bin/bash
[ "$*" = "--stateless list table inet twinport" ] && exec cat "$(dirname "$0")/kernel"
exit 1
"""


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """The Ansible module as a Python module."""
    return load_library_module("firewall_survey")


def in_force(module: ModuleType, folder: Path) -> str:
    return str(module.ruleset_in_force("twinport", str(folder / "firewall.nft"), str(folder)))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the confirmed ruleset, its listing, and nft with the same table in the kernel."""
    stand_in(tmp_path, "nft", NFT)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "firewall.nft").write_text("the ruleset\n")
    for name in ("kernel", "loaded.txt"):
        (tmp_path / name).write_text("table inet twinport {}\n")
    return tmp_path


def test_an_unchanged_table_is_in_force(module: ModuleType, host: Path) -> None:
    assert in_force(module, host) == "the ruleset\n"


def test_a_changed_table_is_not_in_force(module: ModuleType, host: Path) -> None:
    (host / "kernel").write_text("table inet twinport { chain x {} }\n")
    assert in_force(module, host) == ""


@pytest.mark.parametrize("gone", ["kernel", "loaded.txt", "firewall.nft", "nft"])
def test_nothing_is_in_force_if_a_part_is_missing(module: ModuleType, host: Path, gone: str) -> None:
    (host / gone).unlink()
    assert in_force(module, host) == ""
