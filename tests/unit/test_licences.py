"""Every file that Ansible loads names its licence."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ["action_plugins", "doc_fragments", "filter_plugins", "library", "module_utils"]
LINE = "# SPDX-License-Identifier: Apache-2.0"


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_file_names_its_licence_at_the_top(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, f"{folder} holds no Python"
    lost = [str(path.relative_to(ROOT)) for path in files if LINE not in path.read_text().splitlines()[:2]]
    assert not lost, f"{LINE!r} is missing in: {', '.join(lost)}"
