"""The package as a whole: what it may import, the direction of its imports, and the bounds of its modules."""

from __future__ import annotations

import ast
import graphlib
import sys
from pathlib import Path

import pytest

from cosyvoice_server.package import import_package
from tests.support.engine import PATCH

PACKAGE = PATCH / "cosyvoice_server"
MODULES = {path.stem: ast.parse(path.read_text("utf-8"), feature_version=(3, 8)) for path in PACKAGE.glob("*.py")}
# What the engine's image has besides the standard library, by CosyVoice's own requirements.
IN_THE_IMAGE = {"anyio", "fastapi", "starlette", "uvicorn", "numpy", "soundfile", "python_multipart", "multipart"}


@pytest.mark.parametrize("path", [*PACKAGE.glob("*.py"), *PATCH.glob("*.py")], ids=lambda path: path.stem)
def test_modules_are_python_3_8_and_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") < 300
    for node in ast.walk(ast.parse(text, feature_version=(3, 8))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < 40, node.name


def test_it_imports_only_what_the_image_has() -> None:
    imported = set()
    for node in (node for tree in MODULES.values() for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add((node.module or "").split(".")[0])
    assert imported - set(sys.stdlib_module_names) <= IN_THE_IMAGE


def test_imports_have_no_circle() -> None:
    graph = {
        name: {
            imported
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.level
            for imported in ([node.module] if node.module else [alias.name for alias in node.names])
        }
        for name, tree in MODULES.items()
    }
    assert set().union(*graph.values()) <= set(MODULES)
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert order[-1] == "main"


def test_the_source_tree_around_the_server_is_importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "cosyvoice" / "cli").mkdir(parents=True)
    (tmp_path / "cosyvoice" / "cli" / "cosyvoice.py").write_text("HERE = __file__\n", "utf-8")
    (tmp_path / "third_party" / "Matcha-TTS" / "matcha").mkdir(parents=True)
    folder = tmp_path / "runtime" / "python" / "fastapi"
    for place in (folder / "cosyvoice_server" / "package.py", folder / "server.py" / "cosyvoice_server" / "package.py"):
        monkeypatch.setattr("cosyvoice_server.package.__file__", str(place))
        for name in ("cosyvoice", "cosyvoice.cli", "cosyvoice.cli.cosyvoice", "matcha"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        assert str(tmp_path / "cosyvoice" / "cli" / "cosyvoice.py") == import_package().HERE
        for name in ("cosyvoice", "cosyvoice.cli", "cosyvoice.cli.cosyvoice", "matcha"):
            monkeypatch.delitem(sys.modules, name, raising=False)
