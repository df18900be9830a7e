"""The test of a file is where the file is: `tests/unit/a/b/test_c.py` tests `a/b/c.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"
# What these test is not one Python file.
NO_SOURCE = {"docs", "inventory"}


def is_source(folder: Path, name: str) -> bool:
    """Whether `name` is a module, a package or a program of the folder, or a task file or template of the role."""
    files = [folder / f"{name}.py", folder / name / "__init__.py", folder / name, folder / "tasks" / f"{name}.yml"]
    return any(file.is_file() for file in files) or any((folder / "templates").glob(f"{name}.*"))


def has_source(folder: Path, test: str) -> bool:
    """Whether `folder` holds the source of `test`: `test_x` and `test_x_aspect` test what is called `x`."""
    words = test.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    return any(is_source(folder, name) for name in names)


def mirrored_tests() -> list[Path]:
    """The tests, relative to `tests/unit`, that the rule holds for; those directly in it test the whole repository."""
    tests = (path.relative_to(UNIT) for path in UNIT.rglob("test_*.py"))
    return sorted(test for test in tests if len(test.parts) > 1 and test.parts[0] not in NO_SOURCE)


def test_each_test_file_is_named_after_its_source() -> None:
    lost = [str(test) for test in mirrored_tests() if not has_source(ROOT / test.parent, test.stem)]
    assert not lost, (
        "tests/unit/a/test_b.py (or test_b_aspect.py) tests a/b.py; these have no such source:\n" + "\n".join(lost)
    )


@pytest.mark.parametrize("folder", sorted(NO_SOURCE))
def test_no_exception_outlives_its_folder(folder: str) -> None:
    assert list((UNIT / folder).rglob("test_*.py")), f"tests/unit/{folder} is gone: take it off the list"


@pytest.mark.parametrize(
    ("test", "found"),
    [
        ("test_queue", True),
        ("test_queue_order", True),
        ("test_package", True),
        ("test_program", True),
        ("test_install_twice", True),
        ("test_table", True),
        ("test_que", False),
        ("test_other", False),
    ],
)
def test_the_source_of_a_test(tmp_path: Path, test: str, found: bool) -> None:
    (tmp_path / "queue.py").touch()
    (tmp_path / "program").touch()
    (tmp_path / "package").mkdir()
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "install.yml").touch()
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "table.nft.j2").touch()
    (tmp_path / "package" / "__init__.py").touch()
    assert has_source(tmp_path, test) is found
