"""A large file up and down, and queries answered meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import requests

from bench.cases.stream import replay_engine
from bench.context import Context
from bench.load import Plan, Request, apply
from bench.measure import Figure, Rounds, Sample, at_least, at_most
from bench.processes import Cost, running
from bench.servers.proxies import nginx_store
from tests.support.front import running_front
from tests.support.servers import Server, free_port, running_gateway

MIB = 2**20
NAME = "large.mp4"
# As fast as a rented server's link: a gigabit a second.
UPLOAD_RATE = "125M"
QUERY_CLIENTS = 16


@dataclass(frozen=True)
class Store:
    """A server that receives and sends a file.

    Attributes:
        servers: those that a file passes, whose cost counts.
        url: of the first of them.
        upload: curl's arguments to send the file, the URL included.
        download: path to get it from.
        landed: its path afterwards.
    """

    servers: tuple[Server, ...]
    url: str
    upload: tuple[str, ...]
    download: str = ""
    landed: Path = field(default_factory=Path)


def _curl(*arguments: str) -> tuple[float, int]:
    """Seconds that curl took, and the status. Raises RuntimeError if that is an error."""
    command = ["curl", "-sS", "-o", "/dev/null", "-H", "Expect:", "-w", "%{json}", *arguments]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    if report["http_code"] not in (200, 201, 204):
        raise RuntimeError(f"{arguments[-1]} answered {report['http_code']}")
    return float(report["time_total"]), int(report["size_download"])


def _send(store: Store, size: int, *, children: bool = True) -> Sample:
    # The previous one's unwritten data are not charged to this one.
    os.sync()
    cost = Cost(*(server.pid for server in store.servers), children=children)
    seconds, _ = _curl(*store.upload)
    return {"rate": size / MIB / seconds, "growth": cost.growth_mib, "cpu": cost.cpu_seconds * 1e3}


def _fetch(store: Store, size: int) -> Sample:
    cost = Cost(*(server.pid for server in store.servers))
    seconds, got = _curl(store.url + store.download)
    if got != size:
        raise RuntimeError(f"{store.url} gave {got} bytes")
    return {"rate": size / MIB / seconds, "growth": cost.growth_mib, "cpu": cost.cpu_seconds * 1e3}


@contextmanager
def _stores(context: Context, file: Path) -> Iterator[dict[str, Store]]:
    with ExitStack() as stack:
        media, plain, proxied = (context.subfolder(name) for name in ("media", "plain", "nginx-files"))
        video = stack.enter_context(
            running_gateway(
                "video", context.subfolder("video"), media_dir=media, duix_url=f"http://127.0.0.1:{free_port()}"
            )
        )
        gateway = f"127.0.0.1:{video.port}"
        front = stack.enter_context(running_front(context.subfolder("front"), video=gateway))
        nginx = stack.enter_context(nginx_store(context.subfolder("nginx"), proxied))
        port = free_port()
        command = [sys.executable, "-m", "bench.servers.file_server", "--port", str(port), "--store", str(plain)]
        simple = stack.enter_context(running("http.server", command, port, context.subfolder("http.server")))
        form, download = f"video=@{file};filename={NAME}", f"/download?path=/code/data/{NAME}"

        def entry(url: str, *servers: Server) -> Store:
            return Store(servers, url, ("-F", form, url + "/upload"), download, media / NAME)

        def plain_store(server: Server, folder: Path) -> Store:
            upload = ("-T", str(file), f"{server.url}/{NAME}")
            return Store((server,), server.url, upload, f"/{NAME}", folder / NAME)

        yield {
            "twinport": entry(front.video, front.process, video),
            "gateway alone": entry(video.url, video),
            "nginx": plain_store(nginx, proxied),
            "http.server": plain_store(simple, plain),
        }


def _up_and_down(context: Context, file: Path, size: int) -> Iterator[Figure]:
    with _stores(context, file) as stores:
        for heading, act in (("upload", _send), ("download", _fetch)):
            context.say(heading)
            variants: dict[str, Callable[[], Sample]] = {
                name: partial(act, store, size) for name, store in stores.items()
            }
            rounds = Rounds.of(variants, context.times(5))
            yield from _transfers(rounds, f"files/{heading} of {size // MIB} MiB")


def _transfers(rounds: Rounds, label: str) -> Iterator[Figure]:
    goal = at_least(0.6, "ratio")
    yield rounds.figure(f"{label}, rate/twinport", "twinport", "rate", "MiB/s", against="nginx", goal=goal)
    for name in ("gateway alone", "http.server"):
        yield rounds.figure(f"{label}, rate/{name}", name, "rate", "MiB/s", against="nginx")
    growth = f"{label}, memory growth"
    yield rounds.figure(f"{growth}/twinport", "twinport", "growth", "MiB", against="nginx", goal=at_most(32.0))
    yield rounds.figure(f"{growth}/http.server", "http.server", "growth", "MiB", against="nginx")
    for name in ("twinport", "gateway alone", "http.server"):
        yield rounds.figure(f"{label}, CPU/{name}", name, "cpu", "ms", against="nginx")


def _voice_upload(context: Context, file: Path, size: int) -> Iterator[Figure]:
    """A recording of that size, sent to be trained."""
    context.say("upload to the voice entry")
    with ExitStack() as stack:
        engine = stack.enter_context(replay_engine(context, "engine"))
        voice = stack.enter_context(
            running_gateway(
                "voice", context.subfolder("voice"), cosyvoice_url=engine.url, max_upload_bytes=size + 16 * MIB
            )
        )
        fields = ("-F", "device_id=bench", "-F", "name=large", "-F", f"audio=@{file}")
        store = Store((voice,), voice.url, (*fields, voice.url + "/v1/voices/train"))
        # Without the decoder, which reads the file after its upload.
        rounds = Rounds.of({"twinport": partial(_send, store, size, children=False)}, context.times(3, 1))
        label = f"files/voice upload of {size // MIB} MiB"
        yield rounds.figure(f"{label}, rate/twinport", "twinport", "rate", "MiB/s")
        yield rounds.figure(f"{label}, memory growth/twinport", "twinport", "growth", "MiB", goal=at_most(32.0))


@contextmanager
def _uploading(store: Store) -> Iterator[None]:
    """One upload after the other while the context is open."""
    stop = threading.Event()

    def again() -> None:
        while not stop.is_set():
            _curl("--limit-rate", UPLOAD_RATE, *store.upload)

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _pin(pid: int, core: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def _queries(context: Context, file: Path) -> Iterator[Figure]:
    """Queries of a waiting task, the gateway held to one core, with and without an upload at the same time."""
    context.say("queries during an upload")
    seconds = 2.0 if context.quick else 8.0
    media = context.subfolder("query-media")
    with running_gateway(
        "video", context.subfolder("query"), media_dir=media, duix_url=f"http://127.0.0.1:{free_port()}"
    ) as video:
        # Later threads inherit it.
        _pin(video.pid, 0)
        for name in ("audio_1.wav", "avatar_1.mp4"):
            (media / name).write_bytes(b"waits for an engine that never comes")
        task = {"code": "bench", "audio_url": "/code/data/audio_1.wav", "video_url": "/code/data/avatar_1.mp4"}
        requests.post(video.url + "/easy/submit", json=task, timeout=30).raise_for_status()
        plan = Plan(video.port, [Request.of("GET", "/easy/query?code=bench")], QUERY_CLIENTS, seconds, warm_up=0.5)
        store = Store((video,), video.url, ("-F", f"video=@{file};filename={NAME}", video.url + "/upload"))

        def during() -> Sample:
            with _uploading(store):
                return apply(plan).summary()

        rounds = Rounds.of({"during": during, "idle": lambda: apply(plan).summary()}, context.times(5))
    label = "files/queries on one core during an upload"
    goal = at_least(1000.0)
    yield rounds.figure(f"{label}, rate/twinport", "during", "per second", "queries/s", against="idle", goal=goal)
    yield rounds.figure(f"{label}, p99/twinport", "during", "total p99", "ms", against="idle")


def measure(context: Context) -> list[Figure]:
    """1 GiB through each store; then queries against an upload."""
    size = (32 if context.quick else 1024) * MIB
    file = context.folder / NAME
    with file.open("wb") as sink:
        block = os.urandom(MIB)
        for _ in range(size // MIB):
            sink.write(block)
    return [
        *_up_and_down(context, file, size),
        *_voice_upload(context, file, size),
        *_queries(context, file),
    ]
