"""What the scenarios' tests share."""

from __future__ import annotations

import pytest
from testinfra.host import Host


@pytest.fixture(scope="module")
def address(host: Host) -> str:
    """The host's address as this machine sees it."""
    return str(host.backend.get_variables()["self_test_outside_address"])
