"""Names of uploaded files."""

from __future__ import annotations

import pytest

from cosyvoice_server.errors import EngineError
from cosyvoice_server.forms import check_file_name


@pytest.mark.parametrize("name", ["../../x", "..\\x", "a/../b", "..", "a\0b"])
def test_names_that_leave_their_folder_are_rejected(name: str) -> None:
    with pytest.raises(EngineError):
        check_file_name(name)


@pytest.mark.parametrize("name", ["a..b.wav", "我的 声音.wav", "prompt_wav", "", "C:\\fakepath\\x.wav"])
def test_ordinary_names_are_accepted(name: str) -> None:
    check_file_name(name)
