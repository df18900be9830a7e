"""Two hundred waiting requests at each entry: throughput, fairness, and the entry's response time meanwhile."""

from __future__ import annotations

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import requests

from bench.cases.stream import replay_engine
from bench.context import Context
from bench.load import Answers, Plan, Request, apply, collect, start
from bench.measure import Figure, Rounds, Sample, at_most, percentile
from tests.support.engine import Engine
from tests.support.servers import Server, running_gateway
from tests.support.video import VideoBench, make_clip, make_speech, video_bench
from tests.support.voice import VoiceBench, spoken_wav

GREEDY = "greedy"
LOOKS_PER_SECOND = 50.0
SERVICE_SECONDS = 0.02  # of the engine for one request
RETRIES = 40
MODEST_DEVICES = 10


# The voice entry


def _speech(device: str, voice: str, text: str) -> Request:
    body = json.dumps({"device_id": device, "voice_id": voice, "text": text}).encode()
    return Request.of("POST", "/v1/tts", body, Content_Type="application/json")


def _direct(_: str, __: str, text: str) -> Request:
    body = f"tts_text={text.replace(' ', '+')}&voice_id=ev_replay".encode()
    return Request.of("POST", "/inference_cross_lingual", body, Content_Type="application/x-www-form-urlencoded")


def _line(voices: dict[str, str], count: int, make: Callable[[str, str, str], Request]) -> list[Request]:
    """A greedy device's requests first, then a few of each modest device; every text is new."""
    modest = [device for device in voices if device != GREEDY]
    each = count // (2 * len(modest))
    devices = [GREEDY] * (count - each * len(modest)) + modest * each
    mark = uuid.uuid4().hex[:8]
    return [make(device, voices[device], f"request {number} of {mark}") for number, device in enumerate(devices)]


def _train(bench: VoiceBench) -> dict[str, str]:
    devices = [GREEDY, *(f"modest-{number}" for number in range(MODEST_DEVICES))]
    started = {device: bench.upload(spoken_wav(), device=device).json()["data"]["voiceId"] for device in devices}
    for device, voice in started.items():
        if bench.finished(voice, device=device)["status"] != "ready":
            raise RuntimeError(f"the voice of {device} did not become ready")
    return started


def _fairness(answers: Answers, modest_from: int) -> dict[str, float]:
    """Median waits of the modest devices and of the greedy one, and the spread of the modest ones."""
    waits: dict[bool, list[float]] = defaultdict(list)
    devices: dict[int, list[float]] = defaultdict(list)
    for number, total in zip(answers.request, answers.total, strict=True):
        waits[number >= modest_from].append(total)
        if number >= modest_from:
            devices[(number - modest_from) % MODEST_DEVICES].append(total)
    means = [float(np.mean(values)) for values in devices.values()]
    return {
        "modest": percentile(waits[True], 50),
        "greedy": percentile(waits[False], 50),
        "evenness": max(means) / min(means),
    }


def _stand_in_line(server: Server, line: Sequence[Request], looks_at: Server) -> Sample:
    """All requests at once, with a health check of the entry fifty times a second."""
    looks = start(Plan(looks_at.port, [Request.of("GET", "/health")], clients=4, seconds=3.0, rate=LOOKS_PER_SECOND))
    answers = apply(Plan(server.port, line, clients=len(line), count=len(line)))
    health = collect(looks)
    if answers.errors or health.errors:
        raise RuntimeError(f"{server.name}: {answers.errors} requests and {health.errors} looks failed")
    modest_from = len(line) - len(line) // (2 * MODEST_DEVICES) * MODEST_DEVICES
    return {
        **_fairness(answers, modest_from),
        "per second": answers.per_second,
        "health p99": percentile(health.total, 99) * 1e3,
    }


@contextmanager
def _voice(context: Context, engine: Server, name: str, **settings: Any) -> Iterator[VoiceBench]:
    folder = context.subfolder(name)
    with running_gateway("voice", folder, cosyvoice_url=engine.url, engine_poll_interval=0.2, **settings) as gateway:
        yield VoiceBench(gateway, Engine(**vars(engine))).wait_until_ready()


def _voice_line(context: Context, count: int) -> Iterator[Figure]:
    context.say(f"{count} speech requests")
    pace = ("--chunks", "4", "--interval", str(SERVICE_SECONDS / 3), "--slots", "1")
    with replay_engine(context, "voice-engine", *pace) as engine:
        with _voice(context, engine, "voice", queue_size=count) as bench:
            voices = _train(bench)

            def idle() -> Sample:
                plan = Plan(bench.gateway.port, [Request.of("GET", "/health")], 4, 3.0, rate=LOOKS_PER_SECOND)
                return {"health p99": percentile(apply(plan).total, 99) * 1e3}

            rounds = Rounds.of(
                {
                    "twinport": lambda: _stand_in_line(bench.gateway, _line(voices, count, _speech), bench.gateway),
                    "engine": lambda: _stand_in_line(engine, _line(voices, count, _direct), engine),
                    "idle": idle,
                },
                context.times(5),
            )
        yield from _voice_figures(rounds, f"queue/{count} speech requests")
        with _voice(context, engine, "bounded") as bench:
            yield from _bounded(bench, count)


def _voice_figures(rounds: Rounds, label: str) -> Iterator[Figure]:
    yield rounds.figure(f"{label}, throughput/twinport", "twinport", "per second", "requests/s", against="engine")
    yield rounds.figure(f"{label}, wait of modest devices p50/twinport", "twinport", "modest", "s", against="engine")
    yield rounds.figure(f"{label}, wait of the greedy device p50/twinport", "twinport", "greedy", "s", against="engine")
    # Devices take turns: the last of ten modest devices is at most one round behind the first.
    goal = at_most(1.5)
    name = f"{label}, longest mean wait of a modest device over the shortest/twinport"
    yield rounds.figure(name, "twinport", "evenness", "times", against="engine", goal=goal)
    yield rounds.figure(f"{label}, /health p99 meanwhile/twinport", "twinport", "health p99", "ms", against="idle")


def _bounded(bench: VoiceBench, count: int) -> Iterator[Figure]:
    """With the default queue: requests without a place get 503, are repeated, and are served at last."""
    line = _line(_train(bench), count, _speech)
    wrong = refused = 0
    for attempt in range(RETRIES):
        answers = apply(Plan(bench.gateway.port, line, clients=len(line), count=len(line)))
        busy = answers.count(503)
        wrong += len(answers.status) - busy - answers.count(200)
        refused = refused or busy
        line = [line[number] for number, status in zip(answers.request, answers.status, strict=True) if status != 200]
        if not line:
            break
        time.sleep(min(1.0, 0.1 * (attempt + 1)))
    label = f"queue/{count} speech requests, default bounds"
    yield Figure(f"{label}, refused with 503 at first/twinport", refused, "requests")
    yield Figure(f"{label}, answers other than 200 and 503/twinport", wrong, "requests", goal=at_most(0.0))
    yield Figure(f"{label}, never served/twinport", len(line), "requests", goal=at_most(0.0))


# The video entry


def _inputs(folder: Path) -> tuple[Path, Path]:
    return (
        make_speech(folder / "speech.wav", seconds=0.4),
        make_clip(folder / "clip.mp4", seconds=0.4, size="64x64"),
    )


def _through_gateway(bench: VideoBench, audio: str, video: str, count: int) -> Sample:
    """All tasks at once; then their states, queried fifty times a second until the last has ended."""
    codes = [str(uuid.uuid4()) for _ in range(count)]
    started = time.monotonic()
    for code in codes:
        bench.client.submit(audio, video, code)
    submitted = time.monotonic() - started
    asked = Plan(bench.gateway.port, [Request.of("GET", f"/easy/query?code={code}") for code in codes])
    slow: list[float] = []
    while _waiting(bench, codes[-1]):
        slow += apply(replace(asked, clients=4, seconds=2.0, rate=LOOKS_PER_SECOND)).total
    seconds = time.monotonic() - started
    ended = [_ended(bench, code) for code in codes]
    return {
        "per second": count / seconds,
        "submit": submitted / count * 1e3,
        "query p99": percentile(slow, 99) * 1e3,
        "overtaken": float(sum(later < earlier for earlier, later in pairwise(ended))),
    }


def _waiting(bench: VideoBench, code: str) -> bool:
    return bool(bench.client.query(code)["data"]["status"] == 1)


def _ended(bench: VideoBench, code: str) -> float:
    """The time at which the task's video was ready. Raises RuntimeError where it failed."""
    task = requests.get(f"{bench.gateway.url}/easy/task/{code}", timeout=30).json()
    if task["state"] != "done":
        raise RuntimeError(f"task {code} failed: {task['msg']}")
    return float(task["finished_at"])


def _straight(bench: VideoBench, audio: str, video: str, count: int) -> Sample:
    """A client without a queue: one task, poll until it is done, the next."""
    started = time.monotonic()
    for _ in range(count):
        code = str(uuid.uuid4())
        task: Any = {"audio_url": audio, "video_url": video, "code": code, "chaofen": 0, "watermark_switch": 0, "pn": 1}
        while requests.post(bench.engine.url + "/easy/submit", json=task, timeout=30).json()["code"] != 10000:
            time.sleep(0.02)
        state: dict[str, Any] = {"status": 1}
        while state["status"] == 1:
            time.sleep(0.02)
            state = requests.get(f"{bench.engine.url}/easy/query?code={code}", timeout=30).json()["data"]
    return {"per second": count / (time.monotonic() - started)}


def _idle_queries(bench: VideoBench) -> Sample:
    request = Request.of("GET", "/easy/query?code=nothing")
    plan = Plan(bench.gateway.port, [request], clients=4, seconds=3.0, rate=LOOKS_PER_SECOND)
    return {"query p99": percentile(apply(plan).total, 99) * 1e3}


def _video_line(context: Context, count: int) -> Iterator[Figure]:
    context.say(f"{count} video tasks")
    folder = context.subfolder("video")
    audio_file, clip_file = _inputs(folder)
    with video_bench(folder, engine_poll_interval=0.1) as bench:
        audio = bench.client.upload("audio", audio_file)
        clip = bench.client.upload("video", clip_file)
        variants: dict[str, Callable[[], Sample]] = {
            "twinport": partial(_through_gateway, bench, audio, clip, count),
            "engine, one after the other": partial(_straight, bench, audio, clip, max(3, count // 10)),
            "idle": partial(_idle_queries, bench),
        }
        rounds = Rounds.of(variants, 1)
    label = f"queue/{count} video tasks"
    direct = "engine, one after the other"
    yield rounds.figure(f"{label}, throughput/twinport", "twinport", "per second", "tasks/s", against=direct)
    yield rounds.figure(f"{label}, submit/twinport", "twinport", "submit", "ms")
    yield rounds.figure(f"{label}, tasks overtaken/twinport", "twinport", "overtaken", "tasks", goal=at_most(0.0))
    yield rounds.figure(f"{label}, /easy/query p99 meanwhile/twinport", "twinport", "query p99", "ms", against="idle")


def measure(context: Context) -> list[Figure]:
    """Both queues."""
    return [
        *_voice_line(context, 40 if context.quick else 200),
        *_video_line(context, 6 if context.quick else 200),
    ]
