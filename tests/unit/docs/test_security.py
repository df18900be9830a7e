"""The threat model names files and tests that exist."""

import re

import pytest

from tests.support.servers import ROOT

NAMED = sorted(set(re.findall(r"`((?:[\w.-]+/)+[\w.-]+)`", (ROOT / "docs" / "security.md").read_text("utf-8"))))


def test_the_threat_model_names_tests() -> None:
    assert sum("/test_" in name for name in NAMED) > 20


@pytest.mark.parametrize(
    "name", [name for name in NAMED if name.split("/")[0] in {path.name for path in ROOT.iterdir()}]
)
def test_what_the_threat_model_names_exists(name: str) -> None:
    assert (ROOT / name).exists()
