"""Every archive that apt is set up for, in either form, each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils import apt_probe
from module_utils.apt_probe import archive_uris


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(apt_probe, "_LIST", tmp_path / "sources.list")
    monkeypatch.setattr(apt_probe, "_FOLDER", tmp_path)
    return tmp_path


def test_archives_of_both_forms_are_found_once(folder: Path) -> None:
    (folder / "sources.list").write_text(
        "deb http://10.0.0.5/debian trixie main\ndeb-src http://10.0.0.5/debian trixie main\n"
    )
    (folder / "more.sources").write_text("Types: deb\nURIs: http://172.20.0.5/more\nSuites: trixie\nComponents: main\n")
    (folder / "kept.list.save").write_text("deb http://10.9.9.9/old trixie main\n")
    assert archive_uris() == ["http://10.0.0.5/debian", "http://172.20.0.5/more"]


@pytest.mark.usefixtures("folder")
def test_a_host_without_apt_has_none() -> None:
    assert archive_uris() == []
