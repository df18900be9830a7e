"""What the log tells of a fault of ours, and what it must never hold."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.support.servers import running_gateway

KEY = "key-that-nobody-may-read-in-a-log"
LINE_BYTES = 64 * 1024


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_fault_is_logged_without_keys_and_in_a_bounded_line(tmp_path: Path, log_format: str) -> None:
    with running_gateway(
        "voice", tmp_path, cosyvoice_url="http://127.0.0.1:9", api_key=KEY, log_format=log_format
    ) as server:
        with closing(sqlite3.connect(tmp_path / "voice_data" / "gateway.sqlite3")) as database:
            database.execute("DROP TABLE voices")
        answer = requests.get(
            server.url + "/v1/voices", params={"device_id": "d"}, headers={"X-API-Key": KEY}, timeout=10
        )
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        faults = [line for line in server.output().splitlines() if "request failed" in line]
        assert len(faults) == 1
        assert KEY not in server.output()
        assert max(len(line) for line in server.output().splitlines()) < LINE_BYTES
        if log_format == "json":
            fault = json.loads(faults[0])
            assert fault["request_id"] == answer.headers["X-Request-ID"]
            assert "no such table" in fault["exception"][0]["exc_value"]
