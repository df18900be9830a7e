"""Lists of files of the control machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_plugins.host_files import as_lines, file_contents, placed, python_files


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name in ("b.py", "a.py", "notes.txt"):
        (tmp_path / name).write_text(f"# {name}\n\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.py").touch()
    return tmp_path


def test_the_modules_of_a_folder_are_sorted_and_go_below_another(package: Path) -> None:
    a, b = str(package / "a.py"), str(package / "b.py")
    assert python_files(str(package)) == [{"src": a, "dest": "a.py"}, {"src": b, "dest": "b.py"}]
    assert [file["dest"] for file in python_files(str(package), "server")] == ["server/a.py", "server/b.py"]


def test_contents_keep_their_last_line_breaks(package: Path) -> None:
    assert file_contents(python_files(str(package))) == {"a.py": "# a.py\n\n", "b.py": "# b.py\n\n"}


def test_files_are_placed_with_what_they_set_themselves_before_what_all_share(package: Path) -> None:
    files = [{"src": str(package / "a.py"), "dest": "a.py", "mode": "0755"}, {"dest": "b", "content": "text"}]
    assert placed(files, "/opt", mode="0644", group="root") == [
        {"path": "/opt/a.py", "content": "# a.py\n\n", "mode": "0755", "group": "root"},
        {"path": "/opt/b", "content": "text", "mode": "0644", "group": "root"},
    ]


def test_a_missing_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        placed([{"src": str(tmp_path / "none"), "dest": "none"}], "/opt")


def test_values_stand_on_lines_of_their_own_and_none_make_no_line() -> None:
    assert as_lines([" key # Anna ", "other"]) == "key # Anna\nother\n"
    assert as_lines([]) == ""
