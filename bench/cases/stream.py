"""Speech through a gateway: its overhead over the engine alone, its capacity, and its cost."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

from bench.context import Context
from bench.load import UNIQUE, Plan, Request, apply
from bench.measure import Figure, Goal, Rounds, Sample, at_least, at_most
from bench.processes import Cost, running
from bench.servers.proxies import haproxy, nginx_proxy
from tests.support.engine import Engine
from tests.support.front import running_front
from tests.support.servers import Server, free_port, running_gateway
from tests.support.voice import VoiceBench

# A text of its own for each request: the gateway makes the same speech once for all who ask for it, and keeps it.
TEXT = f"Twenty pieces of speech, a fortieth of a second apart, for {UNIQUE}."
CHUNKS, CHUNK_BYTES, INTERVAL = 20, 10 * 1024, 0.025
STEPS = (1, 16, 64)
# More than any of them can handle: a quiet machine passes 512 such streams through nginx without a wait.
SATURATION = 1024
OTHERS = ("gateway alone", "nginx", "haproxy", "naive")


@dataclass(frozen=True)
class Path:
    """One way to the engine: whom to ask, how, and whose cost that is.

    Attributes:
        servers: those on the way, whose cost counts.
        port: of the first of them.
    """

    servers: tuple[Server, ...]
    port: int
    request: Request

    @classmethod
    def to(cls, server: Server, request: Request) -> Path:
        """Straight to one server."""
        return cls((server,), server.port, request)


def _form() -> Request:
    fields = {"tts_text": TEXT, "voice_id": "ev_replay", "stream": "true"}
    body = urlencode(fields, safe=UNIQUE).encode()
    return Request.of("POST", "/inference_cross_lingual", body, Content_Type="application/x-www-form-urlencoded")


def _json(path: str, body: dict[str, str]) -> Request:
    return Request.of("POST", path, json.dumps(body).encode(), Content_Type="application/json")


@contextmanager
def replay_engine(context: Context, name: str, *arguments: str) -> Iterator[Server]:
    """The engine that costs nothing."""
    port = free_port()
    command = [sys.executable, "-m", "bench.servers.replay_engine", "--port", str(port), *arguments]
    with running("engine", command, port, context.subfolder(name), probe="/health") as server:
        yield server


@contextmanager
def _paths(context: Context) -> Iterator[dict[str, Path]]:
    pace = ("--chunks", str(CHUNKS), "--chunk-bytes", str(CHUNK_BYTES), "--interval", str(INTERVAL))
    with ExitStack() as stack:
        engine = stack.enter_context(replay_engine(context, "engine", *pace))
        gateway = stack.enter_context(
            running_gateway(
                "voice",
                context.subfolder("gateway"),
                cosyvoice_url=engine.url,
                engine_concurrency=SATURATION * 2,
                max_connections=SATURATION * 2,
                trusted_proxies="127.0.0.1",
            )
        )
        # All clients of a measurement share one address, which would be too many for one.
        front = stack.enter_context(
            running_front(
                context.subfolder("front"),
                voice=f"127.0.0.1:{gateway.port}",
                front_address_connections=SATURATION * 2,
                front_address_requests_per_minute=0,
            )
        )
        speech = _speech(gateway, engine)
        naive_port = free_port()
        naive = [sys.executable, "-m", "bench.servers.naive_gateway", "--port", str(naive_port), "--engine", engine.url]
        yield {
            "engine": Path.to(engine, _form()),
            "twinport": Path((front.process, gateway), front.voice_port, speech),
            "gateway alone": Path.to(gateway, speech),
            "nginx": Path.to(stack.enter_context(nginx_proxy(context.subfolder("nginx"), engine.port)), _form()),
            "haproxy": Path.to(stack.enter_context(haproxy(context.subfolder("haproxy"), engine.port)), _form()),
            "naive": Path.to(
                stack.enter_context(running("naive", naive, naive_port, context.subfolder("naive"))),
                _json("/tts", {"text": TEXT}),
            ),
        }


def _speech(gateway: Server, engine: Server) -> Request:
    bench = VoiceBench(gateway, Engine(**vars(engine))).wait_until_ready()
    voice = bench.ready_voice()
    return _json("/v1/audio/speech", {"model": "tts-1", "voice": voice, "input": TEXT, "response_format": "pcm"})


def _measure(path: Path, clients: int, seconds: float) -> Sample:
    # The first stream of each connection opens it; a longer measurement would only cost time.
    warm_up = CHUNKS * INTERVAL * 1.2
    cost = Cost(*(server.pid for server in path.servers))
    plan = Plan(path.port, [path.request], clients=clients, seconds=seconds + warm_up, warm_up=warm_up)
    answers = apply(plan)
    if answers.errors:
        raise RuntimeError(f"{path.servers[0].name}: {answers.errors} of {len(answers.status)} streams failed")
    if set(answers.size) != {CHUNKS * CHUNK_BYTES}:
        raise RuntimeError(f"{path.servers[0].name}: streams of {set(answers.size)} bytes")
    everything = max(1, len(answers.status))
    return {**answers.summary(), "memory": cost.peak_mib, "cpu": cost.cpu_seconds / everything * 1e3}


def _rounds(paths: dict[str, Path], clients: int, seconds: float, rounds: int) -> Rounds:
    variants: dict[str, Callable[[], Sample]] = {
        name: partial(_measure, path, clients, seconds) for name, path in paths.items()
    }
    return Rounds.of(variants, rounds)


def _at(rounds: Rounds, clients: int) -> Iterator[Figure]:
    label = f"stream/{clients} clients"
    goals: dict[str, Goal | None] = {"first p50": None, "first p99": None}
    if clients > 1:
        goals = {"first p50": at_most(2.0 if clients == 16 else 3.0), "first p99": at_most(15.0)}
    for metric, goal in goals.items():
        name = f"{label}, first byte {metric.split()[1]}, added"
        yield rounds.added(f"{name}/twinport", "twinport", metric, "ms", against="engine", goal=goal)
        for other in OTHERS:
            yield rounds.added(f"{name}/{other}", other, metric, "ms", against="engine")
    for name in ("twinport", *OTHERS):
        yield rounds.figure(f"{label}, whole stream p50/{name}", name, "total p50", "ms", against="engine")
    for name in ("twinport", *OTHERS):
        yield rounds.figure(f"{label}, throughput/{name}", name, "per second", "streams/s", against="engine")


def _saturated(rounds: Rounds) -> Iterator[Figure]:
    label = f"stream/saturated ({SATURATION} clients)"
    goal = at_least(0.6, "ratio")
    yield rounds.figure(
        f"{label}, throughput/twinport", "twinport", "per second", "streams/s", against="nginx", goal=goal
    )
    for name in ("gateway alone", "engine", "haproxy"):
        yield rounds.figure(f"{label}, throughput/{name}", name, "per second", "streams/s", against="nginx")
    for name in ("twinport", "gateway alone", "haproxy"):
        yield rounds.figure(f"{label}, CPU a stream/{name}", name, "cpu", "ms", against="nginx")
    for name in ("twinport", "gateway alone", "haproxy"):
        yield rounds.figure(f"{label}, memory/{name}", name, "memory", "MiB", against="nginx")


def measure(context: Context) -> list[Figure]:
    """First byte, whole stream and throughput at 1, 16 and 64 clients, then at the machine's maximum."""
    seconds = 1.0 if context.quick else 4.0
    figures: list[Figure] = []
    with _paths(context) as paths:
        for clients in STEPS:
            context.say(f"{clients} clients")
            figures += _at(_rounds(paths, clients, seconds, context.times(5)), clients)
        context.say(f"{SATURATION} clients")
        # The naive gateway has forty threads: hundreds of clients would only wait for each other.
        del paths["naive"]
        figures += _saturated(_rounds(paths, SATURATION, seconds, context.times(5)))
    return figures
