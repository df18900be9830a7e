"""The engine's server: what it adds to a model that costs nothing, and the time that a registered voice saves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlencode

from requests import Request as Prepared

from bench.context import Context
from bench.load import Plan, Request, apply
from bench.measure import Figure, Rounds, Sample, at_most
from bench.processes import Cost, running
from tests.support.engine import Engine, reference, running_engine
from tests.support.servers import Server, free_port

CLIENTS = 16
# Each sends five requests a second: together more than a real model could handle.
PACED_RATE = 5.0 * CLIENTS
TEXT = "One sentence that costs the model nothing."
ANALYSIS_SECONDS = 0.4


def _form(path: str, **fields: str) -> Request:
    body = urlencode(fields).encode()
    return Request.of("POST", path, body, Content_Type="application/x-www-form-urlencoded")


def _with_reference(path: str, wav: bytes, **fields: str) -> Request:
    sent = Prepared("POST", "http://engine" + path, data=fields, files={"prompt_wav": ("prompt.wav", wav)}).prepare()
    assert isinstance(sent.body, bytes)
    return Request.of("POST", path, sent.body, Content_Type=str(sent.headers["Content-Type"]))


@contextmanager
def _plain(context: Context) -> Iterator[Server]:
    model = context.subfolder("model")
    (model / "cosyvoice.yaml").touch()
    port = free_port()
    command = [sys.executable, "-m", "bench.servers.plain_engine", "--port", str(port), "--model", str(model)]
    environment = {"PREVIEW_COSYVOICE_FREE": "1"}
    with running("plain", command, port, context.subfolder("plain"), environment=environment) as server:
        yield server


def _ask(server: Server, request: Request, *, clients: int, seconds: float, rate: float = 0.0) -> Sample:
    cost = Cost(server.pid)
    answers = apply(Plan(server.port, [request], clients, seconds, rate=rate, warm_up=0.3))
    if answers.errors or not min(answers.size):
        raise RuntimeError(f"{server.name}: {answers.errors} of {len(answers.status)} answers failed")
    each = cost.cpu_seconds / len(answers.status) * 1e3
    return {**answers.summary(), "cpu": each, "memory": cost.peak_mib}


def _overhead(context: Context) -> Iterator[Figure]:
    seconds = 1.0 if context.quick else 3.0
    asked = {
        "reference in the request": _with_reference("/inference_cross_lingual", reference(), tts_text=TEXT),
        "preset speaker": _form("/inference_sft", tts_text=TEXT, spk_id="中文女"),
    }
    with (
        running_engine(context.subfolder("ours"), preview_free=1, queue_limit=10_000) as ours,
        _plain(context) as plain,
    ):
        for heading, request in asked.items():
            context.say(heading)
            label = f"engine/{heading}, {CLIENTS} clients"
            paced, breathless = (
                Rounds.of(_both(ours, plain, request, seconds, rate), context.times(7)) for rate in (PACED_RATE, 0.0)
            )
            yield _added(paced, f"{label} at {PACED_RATE:g} requests/s")
            yield _added(breathless, f"{label} without a pause")
            yield from _beside_plain(breathless, f"{label} without a pause")


def _both(
    ours: Server, plain: Server, request: Request, seconds: float, rate: float
) -> dict[str, Callable[[], Sample]]:
    return {
        name: partial(_ask, server, request, clients=CLIENTS, seconds=seconds, rate=rate)
        for name, server in (("twinport", ours), ("plain FastAPI", plain))
    }


def _added(rounds: Rounds, label: str) -> Figure:
    name = f"{label}, answer p50, added/twinport"
    return rounds.added(name, "twinport", "total p50", "ms", against="plain FastAPI", goal=at_most(5.0))


def _beside_plain(rounds: Rounds, label: str) -> Iterator[Figure]:
    against = "plain FastAPI"
    yield rounds.figure(f"{label}, answer p50/twinport", "twinport", "total p50", "ms", against=against)
    yield rounds.figure(f"{label}, answer p99/twinport", "twinport", "total p99", "ms", against=against)
    yield rounds.figure(f"{label}, throughput/twinport", "twinport", "per second", "requests/s", against=against)
    yield rounds.figure(f"{label}, CPU a request/twinport", "twinport", "cpu", "ms", against=against)
    yield rounds.figure(f"{label}, memory/twinport", "twinport", "memory", "MiB", against=against)


def _registered(context: Context) -> Iterator[Figure]:
    """The same voice, by name or with its reference, with a model whose analysis of a reference is slow."""
    context.say("registered voice")
    wav = reference()
    seconds = 2.0 if context.quick else 5.0
    with running_engine(
        context.subfolder("analysis"), preview_free=1, preview_analysis_seconds=ANALYSIS_SECONDS
    ) as engine:
        name = _voice_of(engine, wav)
        requests = {
            "registered": _form("/inference_cross_lingual", tts_text=TEXT, voice_id=name),
            "reference": _with_reference("/inference_cross_lingual", wav, tts_text=TEXT),
        }
        rounds = Rounds.of(
            {how: partial(_ask, engine, request, clients=1, seconds=seconds) for how, request in requests.items()},
            context.times(5),
        )
    label = f"engine/reference whose analysis takes {ANALYSIS_SECONDS * 1e3:.0f} ms, first byte p50"
    # Five times lower is one fifth.
    goal = at_most(0.2, "ratio")
    yield rounds.figure(f"{label}/registered voice", "registered", "first p50", "ms", against="reference", goal=goal)


def _voice_of(engine: Engine, wav: bytes) -> str:
    answer = engine.register(wav)
    answer.raise_for_status()
    return str(answer.json()["voice_id"])


def measure(context: Context) -> list[Figure]:
    """Overhead beside a plain server, then the registered voice."""
    return [*_overhead(context), *_registered(context)]
