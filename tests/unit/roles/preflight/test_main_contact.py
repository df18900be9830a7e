"""A host on which no task runs is stopped at with a sentence and a cure, not with a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.played_roles import play, stand_in

pytestmark = pytest.mark.slow

OLD = """\
#!/bin/sh
echo >&2 'SyntaxError: future feature annotations is not defined'
exit 1
"""


@pytest.mark.parametrize(
    ("interpreter", "cure"), [(OLD, "The host's Python is older than 3.8"), ("", "The host has no Python")]
)
def test_an_unfit_python_is_named(tmp_path: Path, interpreter: str, cure: str) -> None:
    python = stand_in(tmp_path, "python3", interpreter) if interpreter else tmp_path / "missing" / "python3"
    variables = {"engine_mode": "preview", "ansible_python_interpreter": str(python)}
    status, told = play("preflight", "main.yml", variables, programs=tmp_path)
    assert status != 0
    assert "This host could not be inspected" in told
    assert cure in told
