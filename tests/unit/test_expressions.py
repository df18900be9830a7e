"""Jinja expressions of roles stay short: longer computations are filters, with types and tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for folder in ("vars", "defaults", "tasks", "handlers") for path in ROOT.glob(f"roles/*/{folder}/*.yml")
)
MOST_LINES = 3


def texts(node: yaml.Node, source: str) -> Iterator[tuple[int, str]]:
    """Each scalar's first line and its source text."""
    if isinstance(node, yaml.ScalarNode):
        yield node.start_mark.line + 1, source[node.start_mark.index : node.end_mark.index]
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from texts(item, source)
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for part in pair:
                yield from texts(part, source)


def long_expressions(source: str) -> Iterator[int]:
    """The lines of scalars with a Jinja expression, or a program of statements, that is too long."""
    for line, text in texts(yaml.compose(source), source):
        program = [text[text.index("{%") : text.rindex("%}")]] if re.search(r"{%-?\s*set\b", text) else []
        if any(part.count("\n") >= MOST_LINES for part in [*re.findall(r"{{.*?}}", text, re.DOTALL), *program]):
            yield line


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_expressions_are_short(path: Path) -> None:
    found = [f"{path.relative_to(ROOT)}:{line}" for line in long_expressions(path.read_text())]
    assert not found, f"more than {MOST_LINES} lines of Jinja, write a filter plugin: {', '.join(found)}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("a: 1\nb: >-\n  {{ 1\n  + 2\n  + 3 }}\n", []),
        ("a: 1\nb: >-\n  {{ 1\n  + 2\n  + 3\n  + 4 }}\n", [2]),
        ("a:\n  - >-\n    {{ 1 }}\n    {{ 2 }}\n    {{ 3 }}\n    {{ 4 }}\n", []),
        ("a:\n  - >-\n    {%- set b = [] -%}\n    {%- for c in d -%}\n    {{ c }}\n    {%- endfor -%}\n", [2]),
    ],
)
def test_a_long_expression_is_found(source: str, found: list[int]) -> None:
    assert list(long_expressions(source)) == found
