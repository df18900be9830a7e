"""A disk that can be made to fail."""

from __future__ import annotations

import pytest

from tests.support.faults import Faults


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    """Faults of an empty folder; a module's own."""
    folder = tmp_path_factory.mktemp("faults").resolve()
    (folder / "disk").mkdir()
    return Faults(folder / "disk", folder / "control")
