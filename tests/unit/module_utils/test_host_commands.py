"""The small readers that the host modules share."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from module_utils.host_commands import root_text_of


@pytest.mark.parametrize(
    ("owner", "group", "mode", "text"),
    [(0, 0, 0o644, "[Unit]\n"), (0, 0, 0o666, ""), (1000, 0, 0o644, ""), (0, 7, 0o644, "")],
)
def test_a_file_that_others_may_write_counts_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, group: int, mode: int, text: str
) -> None:
    unit = tmp_path / "x.service"
    unit.write_text("[Unit]\n")
    found = SimpleNamespace(st_uid=owner, st_gid=group, st_mode=0o100000 | mode)
    monkeypatch.setattr(Path, "stat", lambda _path: found)
    assert root_text_of(str(unit)) == text


def test_a_missing_file_has_no_text(tmp_path: Path) -> None:
    assert root_text_of(str(tmp_path / "missing")) == ""
