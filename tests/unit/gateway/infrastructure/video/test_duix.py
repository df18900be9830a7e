"""What the engine's answers mean, and what is no answer at all."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from gateway.domain.video.engine import EngineFaultError, EngineTask, FaultKind, ForwardedCall, Stage, Submission
from gateway.domain.video.ports import VideoEngine
from gateway.infrastructure.video import duix
from gateway.infrastructure.video.duix import DuixEngine

Answer = Callable[[httpx.Request], httpx.Response]


def engine(answer: Answer) -> VideoEngine:
    return DuixEngine(httpx.AsyncClient(transport=httpx.MockTransport(answer)), "http://engine/")


def says(body: object, status: int = 200) -> VideoEngine:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return engine(lambda _: httpx.Response(status, content=content, headers={"Content-Type": "text/html"}))


@pytest.mark.parametrize(
    ("code", "outcome"), [(10000, Submission.ACCEPTED), (10001, Submission.BUSY), (10002, Submission.REFUSED)]
)
async def test_only_the_code_of_a_submit_counts(code: int, outcome: Submission) -> None:
    answer = await says({"code": code, "success": True, "msg": "x"}).submit(code="a", audio="a", video="v", options={})
    assert answer.outcome is outcome


async def test_a_submit_carries_further_fields_and_never_lets_them_replace_ours() -> None:
    sent: list[dict[str, object]] = []

    def taken(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, json={"code": 10000})

    await engine(taken).submit(code="a", audio="x", video="y", options={"chaofen": 1, "code": "other"})
    assert sent == [{"chaofen": 1, "code": "a", "audio_url": "x", "video_url": "y"}]


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ({"code": 10004}, EngineTask(Stage.UNKNOWN)),
        ({"code": 10000, "data": {"status": 1, "progress": 250}}, EngineTask(Stage.RUNNING, 100)),
        ({"code": 10000, "data": {"status": 3, "msg": "no"}}, EngineTask(Stage.FAILED, 0, "no")),
    ],
)
async def test_what_a_query_shows(body: object, seen: EngineTask) -> None:
    assert await says(body).query("a") == seen


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (says({"code": 9999, "msg": "x"}), FaultKind.SYSTEM_ERROR),
        (says({"code": 10000, "data": {"status": 7}}), FaultKind.GARBAGE),
        (says(b"<html>"), FaultKind.GARBAGE),
        (says(b"x" * (duix.MAX_ANSWER_BYTES + 1)), FaultKind.GARBAGE),
        (says({"code": 10000}, 500), FaultKind.HTTP_ERROR),
    ],
)
async def test_anything_else_is_a_fault(asked: VideoEngine, kind: FaultKind) -> None:
    with pytest.raises(EngineFaultError) as fault:
        await asked.query("a")
    assert fault.value.kind is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), FaultKind.UNREACHABLE),
        (httpx.ReadTimeout("silent"), FaultKind.TIMEOUT),
        (httpx.DecodingError("gzip"), FaultKind.GARBAGE),
    ],
)
async def test_the_network_s_faults_are_distinguished(error: Exception, kind: FaultKind) -> None:
    def fails(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(EngineFaultError) as fault:
        await engine(fails).probe()
    assert fault.value.kind is kind


async def test_a_call_is_passed_on_as_it_came() -> None:
    def echoed(request: httpx.Request) -> httpx.Response:
        text = f"{request.method} {request.url} {request.headers['accept']} {request.content.decode()}"
        return httpx.Response(418, text=text)

    call = ForwardedCall("PUT", "/easy/other", "a=1", {"accept": "text/x"}, b"body")
    answer = await engine(echoed).forward(call)
    assert (answer.status, answer.body) == (418, b"PUT http://engine/easy/other?a=1 text/x body")


async def test_an_address_that_http_can_not_carry_is_no_fault_of_the_engine() -> None:
    with pytest.raises(ValueError, match="too long"):
        await says({}).forward(ForwardedCall("GET", "/easy/" + "x" * 70_000, "", {}, b""))
