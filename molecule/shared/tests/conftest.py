"""What the scenarios' tests share."""

from __future__ import annotations

import pytest
from entries import address_of
from testinfra.host import Host


@pytest.fixture(scope="module")
def address(host: Host) -> str:
    """The host's address as this machine sees it."""
    return address_of(str(host.backend.get_variables()["inventory_hostname"]))
