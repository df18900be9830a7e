"""No module and no function grows past what can be read at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [
    "action_plugins",
    "bench",
    "doctor",
    "engine_patch",
    "filter_plugins",
    "gateway",
    "library",
    "module_utils",
    "molecule",
    "preview",
    "test_host",
    "tests",
]
MODULE_LINES = 400
FUNCTION_LINES = 40

TABLES = (ast.Dict, ast.List, ast.Set, ast.Tuple)
TABLE_PARTS = (*TABLES, ast.Constant, ast.Name, ast.Attribute, ast.UnaryOp, ast.unaryop, ast.expr_context)


def is_table(node: ast.AST) -> bool:
    """Whether the node is a display of constants and names: data, in which nothing is computed."""
    return isinstance(node, TABLES) and all(isinstance(part, TABLE_PARTS) for part in ast.walk(node))


def table_lines(node: ast.AST) -> int:
    """The number of lines of the outermost tables below the node, less the line that each begins on."""
    if is_table(node):
        assert isinstance(node, ast.expr)
        return (node.end_lineno or node.lineno) - node.lineno
    return sum(table_lines(child) for child in ast.iter_child_nodes(node))


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The number of lines of the body, without docstring and tables."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    last = body[-1].end_lineno or body[-1].lineno
    return last - body[0].lineno + 1 - sum(table_lines(statement) for statement in body)


def oversized(name: str, source: str) -> Iterator[str]:
    """A sentence for each module or function of the source that is too long."""
    lines = len(source.splitlines())
    if lines > MODULE_LINES:
        yield f"{name} has {lines} lines; at most {MODULE_LINES}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and function_lines(node) > FUNCTION_LINES:
            yield f"{name}:{node.lineno} {node.name} has {function_lines(node)} lines; at most {FUNCTION_LINES}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_modules_and_functions_are_short(folder: str) -> None:
    sources = sorted((ROOT / folder).rglob("*.py"))
    assert sources, f"{folder} holds no Python"
    found = [line for path in sources for line in oversized(str(path.relative_to(ROOT)), path.read_text())]
    assert not found, "too long, split them:\n" + "\n".join(found)


def function(lines: int, extra: str = "") -> str:
    return "def f():\n" + extra + "    x = 1\n" * lines


def test_a_long_function_is_found() -> None:
    assert not list(oversized("m", function(40)))
    assert list(oversized("m", function(41))) == ["m:1 f has 41 lines; at most 40"]


def test_a_long_module_is_found() -> None:
    assert not list(oversized("m", "x = 1\n" * 400))
    assert list(oversized("m", "x = 1\n" * 401)) == ["m has 401 lines; at most 400"]


def test_docstrings_and_tables_do_not_count_but_computed_displays_do() -> None:
    docstring = '    """Text.\n' + "\n" * 50 + '    """\n'
    table = "    t = {\n" + "        'a': [1, -2, name],\n" * 50 + "    }\n"
    computed = "    t = [\n" + "        call(),\n" * 50 + "    ]\n"
    assert not list(oversized("m", function(30, docstring + table)))
    assert list(oversized("m", function(30, computed)))
