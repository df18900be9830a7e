"""One server with the real package for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.engine import Engine
from tests.support.real_engine import running_real_engine


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running_real_engine(tmp_path_factory.mktemp("real"), voices_max=4) as running:
        yield running
