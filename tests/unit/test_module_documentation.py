"""Every module's documentation can be read with `ansible-doc -M library`, and says what it must."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

MODULES = sorted(path.stem for path in Path("library").glob("*.py"))
# Actions run on the control machine; a module of the same name holds their documentation.
ACTIONS = {path.stem for path in Path("action_plugins").glob("*.py")}
# They return no more than whether something has changed.
SILENT = {"control_report", "stack_record"}


@pytest.fixture(scope="module")
def documentation() -> dict[str, Any]:
    command = ["ansible-doc", "-M", "library", "--json", *MODULES]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_documented(documentation: dict[str, Any], name: str) -> None:
    page = documentation[name]
    assert page["doc"]["short_description"]
    assert page["doc"]["author"] == ["The Twinport developers"]
    assert set(page["doc"]["attributes"]) == {"check_mode", "diff_mode", "idempotent"}
    assert all(entry["support"] and entry["description"] for entry in page["doc"]["attributes"].values())
    assert name in page["examples"]
    assert page["return"] or name in SILENT


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_action_is_documented_by_a_module_of_its_name(name: str) -> None:
    assert name in MODULES
