"""Prometheus metrics that both entries have; each entry adds its own to the same registry."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, Info, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from gateway import __version__
from gateway.domain.usage import Work
from gateway.settings import CommonSettings
from gateway.web.health import read_doctor_report
from gateway.web.operation import Content
from gateway.web.routing import operation

Reading = Callable[[dict[str, Any]], float]
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The registry of one entry and the metrics of every entry."""

    def __init__(self, *, entry: str, settings: CommonSettings) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Info("twinport", "The entry that answers.", registry=self.registry).info(
            {"entry": entry, "version": __version__, "engine_mode": settings.engine_mode.value}
        )
        self.requests = Counter(
            "twinport_http_requests",
            "Requests answered, by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "twinport_http_request_seconds",
            "Seconds from the request's head to the end of its answer.",
            ("route", "method"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge("twinport_http_requests_in_flight", "Requests being served.", registry=self.registry)
        self.errors = Counter(
            "twinport_errors",
            "Errors that clients were answered with, by stable code.",
            ("code",),
            registry=self.registry,
        )
        self._key_work = {
            Work.REQUESTS: self._by_key("twinport_key_requests", "Requests that cost work"),
            Work.SPEECH_SECONDS: self._by_key("twinport_key_speech_seconds", "Seconds of speech made"),
            Work.VIDEO_SECONDS: self._by_key("twinport_key_video_seconds", "Seconds of finished video"),
        }
        self._disk("data", settings.data_dir)
        if settings.doctor_report is not None:
            self._doctor(settings.doctor_report)

    def _by_key(self, name: str, meaning: str) -> Counter:
        return Counter(name, f"{meaning}, by name of the API key.", ("key",), registry=self.registry)

    def count_work(self, key_name: str, work: Work, amount: float) -> None:
        """Work that was done for a key. Names come from the configuration, so there are no more than it has keys."""
        self._key_work[work].labels(key_name).inc(amount)

    def _doctor(self, path: Path) -> None:
        """Report the engine doctor's last report, read when scraped; NaN where there is none."""
        readings: dict[str, tuple[str, Reading]] = {
            "twinport_doctor_healthy": ("1 when the doctor found no fault.", lambda report: float(report["healthy"])),
            "twinport_doctor_findings": ("Faults that it found.", lambda report: float(len(report["findings"]))),
            "twinport_doctor_cures_tried": ("Cures so far.", lambda report: float(report["cures"]["tried_total"])),
            "twinport_doctor_cures_failed": (
                "Cures so far that did not help.",
                lambda report: float(report["cures"]["failed_total"]),
            ),
        }
        for name, (meaning, reading) in readings.items():
            Gauge(name, meaning, registry=self.registry).set_function(partial(_read_report, path, reading))

    def _disk(self, store: str, folder: Path) -> None:
        """Report the free and total bytes of the file system under a folder, read when scraped."""
        free = Gauge("twinport_disk_free_bytes", "Free bytes.", ("store",), registry=self.registry)
        total = Gauge("twinport_disk_total_bytes", "All bytes.", ("store",), registry=self.registry)
        free.labels(store).set_function(lambda: float(shutil.disk_usage(folder).free))
        total.labels(store).set_function(lambda: float(shutil.disk_usage(folder).total))


def _read_report(path: Path, reading: Reading) -> float:
    report = read_doctor_report(path)
    try:
        return math.nan if report is None else reading(report)
    except (KeyError, TypeError, ValueError):  # a report of another version
        return math.nan


@operation("GET", "/metrics", summary="Prometheus metrics", tag="operation", quiet=True)
async def get_metrics(request: Request[Any]) -> Annotated[Response, Content("text/plain", binary=False)]:
    """All metrics of this entry in Prometheus' text format."""
    metrics: Metrics = request.state["metrics"]
    encoder, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encoder(metrics.registry), headers={"Content-Type": content_type})
