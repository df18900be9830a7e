"""The stand-in gateway behind the front."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.standin_gateway import Gateway


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """One that runs; the test may stop it and start it again."""
    own = Gateway()
    yield own
    own.stop()
