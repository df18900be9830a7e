"""The catalogue and the log samples, read once."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from module_utils.engine_doctor.catalogue import Catalogue, parse
from module_utils.engine_doctor.remedies import KINDS

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """The catalogue as YAML has it."""
    return yaml.safe_load((ROOT / "engine_patch" / "known_errors.yml").read_text("utf-8"))


@pytest.fixture(scope="session")
def catalogue(document: dict[str, Any]) -> Catalogue:
    """The catalogue as the doctor uses it."""
    return parse(document, KINDS)
