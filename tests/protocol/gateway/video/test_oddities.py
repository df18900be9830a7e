"""Requests that no client of good faith sends: each is answered with a sentence, none with a 500."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path

import pytest
import requests

from tests.support.video import VideoBench


@pytest.mark.parametrize("before", [2**31, 2**63, 10**20, 10**400])
def test_no_number_is_too_large_for_a_400(bench: VideoBench, before: int) -> None:
    answer = requests.get(bench.client.url + "/easy/tasks", params={"before": str(before)}, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("code", ["a/b", "/", "a//b/", "../x", "50%", "测试 1", "a?b#c"])
def test_every_code_can_be_shown_and_cancelled(bench: VideoBench, clip: Path, speech: Path, code: str) -> None:
    client = bench.client
    client.submit(client.upload("audio", speech), client.upload("video", clip), code)
    address = f"{client.url}/easy/task/{urllib.parse.quote(code, safe='')}"
    shown = requests.get(address, timeout=10)
    assert (shown.status_code, shown.json()["code"]) == (200, code)
    cancelled = requests.delete(address, timeout=10)
    assert (cancelled.status_code, cancelled.json()["code"]) == (200, code)
    assert client.outcome(code)["status"] in (2, 3)


def test_other_methods_of_the_task_routes_are_a_405(bench: VideoBench) -> None:
    answer = requests.post(bench.client.url + "/easy/task/x", timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD")


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", [100, 250, 300, 500, 900, 2000, 100_000, 400_000])
@pytest.mark.parametrize("field", ["more", "chaofen", "code", "audio_url"])
def test_json_is_nested_only_so_deep(bench: VideoBench, depth: int, field: str) -> None:
    values = {"audio_url": '"a"', "video_url": '"v"', "code": '"deep"', field: nested(depth)}
    body = "{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}"
    answer = requests.post(bench.client.url + "/easy/submit", data=body, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 5000])
def test_numbers_that_are_none_are_refused(bench: VideoBench, number: str) -> None:
    body = '{"audio_url":"a","video_url":"v","code":"c","more":' + number + "}"
    answer = requests.post(bench.client.url + "/easy/submit", data=body, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


def test_options_may_be_nested_as_far_as_anybody_needs(bench: VideoBench, clip: Path, speech: Path) -> None:
    client = bench.client
    more = json.loads(nested(20))
    code = client.submit(client.upload("audio", speech), client.upload("video", clip), more=more)
    assert client.outcome(code)["status"] == 2


@pytest.mark.parametrize("name", ["Accept", "User-Agent", "Content-Type", "Accept-Language"])
def test_headers_that_are_no_ascii_do_not_stop_what_is_passed_on(bench: VideoBench, name: str) -> None:
    answer = requests.get(bench.client.url + "/easy/other", headers={name: "\xe9\xff".encode("latin-1")}, timeout=10)
    assert answer.status_code == 404, "the engine has no such address"


def test_an_address_that_is_too_long_to_be_passed_on_is_refused(bench: VideoBench) -> None:
    answer = requests.get(bench.client.url + "/easy/" + "%ff" * 10_000, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (431, "headers_too_large")
