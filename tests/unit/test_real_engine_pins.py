"""The real engine in the tests has the Python packages of the engine's image."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The image's asks the network for its rules; the tests' brings them.
OTHERWISE = {"wetext"}


def pins(path: Path) -> dict[str, str]:
    """Version by name, in the spelling of package indexes."""
    found = re.findall(r"^([\w.-]+)==(\S+)", path.read_text("utf-8"), re.MULTILINE)
    return {name.lower().replace(".", "-").replace("_", "-"): version for name, version in found}


def test_both_have_the_same_versions() -> None:
    image = pins(ROOT / "roles/cosyvoice/files/constraints.txt")
    tests = pins(ROOT / "tests/real_engine/requirements.txt")
    shared = (image.keys() & tests.keys()) - OTHERWISE
    assert len(shared) > 50
    assert {name: tests[name] for name in shared} == {name: image[name] for name in shared}


def test_every_line_is_an_exact_pin_of_no_one_build() -> None:
    """A local version, such as one for processors only, is on no public index."""
    for name in ("requirements.txt", "without_dependencies.txt"):
        for line in (ROOT / "tests/real_engine" / name).read_text("utf-8").splitlines():
            assert re.match(r"[\w.-]+==[\w.]+(\s|$)", line), line
