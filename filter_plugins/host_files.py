# SPDX-License-Identifier: Apache-2.0
"""Filters that list files of the control machine for the module `host_files` and for the doctor's cures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any


def python_files(folder: str, below: str = "") -> list[dict[str, str]]:
    """The modules directly in a folder, sorted, each as `src` and the `dest` below a folder.

    Args:
        folder: of the control machine.
        below: folder of the destination; empty: none.
    """
    return [{"src": str(path), "dest": str(Path(below) / path.name)} for path in sorted(Path(folder).glob("*.py"))]


def file_contents(files: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The text of each file by its `dest`.

    Raises:
        OSError: a `src` can't be read.
    """
    return {file["dest"]: Path(file["src"]).read_text(encoding="utf-8") for file in files}


def placed(files: Iterable[Mapping[str, Any]], folder: str, **attributes: str) -> list[dict[str, Any]]:
    """Files in the form of `host_files`, in a folder of the host.

    Args:
        files: each with `dest`, and either `content` or the path `src` on the control machine; further keys are kept.
        folder: of the host.
        attributes: for files that do not set them, such as `mode`.

    Raises:
        OSError: a `src` can't be read.
    """
    return [_placed(file, folder, attributes) for file in files]


def _placed(file: Mapping[str, Any], folder: str, attributes: Mapping[str, str]) -> dict[str, Any]:
    content = file["content"] if "content" in file else Path(file["src"]).read_text(encoding="utf-8")
    further = {name: value for name, value in file.items() if name not in ("src", "dest", "content")}
    return {**attributes, **further, "path": f"{folder}/{file['dest']}", "content": content}


def as_lines(values: Iterable[str]) -> str:
    """A text with one of the values on each line, without blanks around them; empty for none."""
    return "".join(f"{value.strip()}\n" for value in values)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by their names."""
        return {"as_lines": as_lines, "file_contents": file_contents, "placed": placed, "python_files": python_files}
