"""Requests that no client of good faith sends: each is answered with a sentence, none with a 500."""

from __future__ import annotations

import pytest
import requests

from tests.support.voice import VoiceBench


@pytest.mark.parametrize("offset", [2**31, 2**63, 10**20])
def test_no_number_is_too_large_for_a_400(bench: VoiceBench, offset: int) -> None:
    answer = requests.get(
        bench.url + "/v1/voices", params={"device_id": "d", "offset": str(offset), "limit": "1"}, timeout=10
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
