"""What clients may call a device."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.device import check_device_id
from gateway.domain.errors import ErrorKind, GatewayError


@given(st.text())
def test_a_device_id_is_kept_as_it_is_or_refused(device_id: str) -> None:
    try:
        assert check_device_id(device_id) == device_id
    except GatewayError as error:
        assert error.kind is ErrorKind.INVALID
    else:
        assert device_id.strip()
        assert "\x00" not in device_id
