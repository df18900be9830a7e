"""An image with the broken engines, made once, and a lab for each test."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import broken_engines as engines
from tests.support.hand_run import Lab, docker
from tests.support.images import python_image


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """An image with both broken engines, on a Docker engine that is started where none runs."""
    subprocess.run([sys.executable, "-m", "test_host", "engine"], check=True)
    reference = f"doctor-test:{uuid.uuid4().hex[:8]}"
    python_image(reference, {engines.SERVER: engines.BROKEN_SERVER, engines.DUIX: engines.DUIX_APP})
    yield reference
    docker("rmi", "--force", reference, check=False)


@pytest.fixture
def lab(image: str, tmp_path: Path) -> Iterator[Lab]:
    """A place for one test's containers."""
    laboratory = Lab(image, tmp_path)
    yield laboratory
    laboratory.clean()
