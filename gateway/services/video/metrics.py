"""The video entry's metrics besides those of requests."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.domain.video.engine import VideoEngineState
from gateway.domain.video.ports import MediaStore, TaskRepository
from gateway.domain.video.task import Task
from gateway.services.video.engines import EngineWatch

MINUTES = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600)


class VideoMetrics:
    """Queue length, wait, speed, failures by cause, free space."""

    def __init__(self, registry: CollectorRegistry, *, media: MediaStore) -> None:
        self._registry = registry
        self.wait = Histogram(
            "twinport_task_wait_seconds",
            "Seconds from submit to an engine taking the task.",
            buckets=MINUTES,
            registry=registry,
        )
        self.render = Histogram(
            "twinport_task_render_seconds",
            "Seconds from an engine taking a task to the video.",
            buckets=MINUTES,
            registry=registry,
        )
        self.video_seconds = Counter(
            "twinport_video_seconds", "Seconds of finished video; by render seconds: the speed.", registry=registry
        )
        self.tasks = Counter("twinport_tasks_done", "Finished videos.", registry=registry)
        self.failures = Counter("twinport_tasks_failed", "Failed tasks, by cause.", ("code",), registry=registry)
        self.retries = Counter("twinport_task_retries", "Second attempts, by cause.", ("code",), registry=registry)
        free = Gauge("twinport_media_free_bytes", "Free bytes of the media folder.", registry=registry)
        free.set_function(lambda: float(media.space().free))

    def watch(self, tasks: TaskRepository, engines: Sequence[EngineWatch]) -> None:
        """Report queue lengths and engine states when scraped."""
        waiting = Gauge("twinport_tasks_waiting", "Tasks that wait for an engine.", registry=self._registry)
        waiting.set_function(lambda: float(tasks.waiting_count))
        running = Gauge("twinport_tasks_running", "Tasks that engines work on.", registry=self._registry)
        running.set_function(lambda: float(tasks.live_count - tasks.waiting_count))

        states = Gauge("twinport_engines", "Engines by state.", ("state",), registry=self._registry)
        for state in VideoEngineState:
            states.labels(state.value).set_function(
                lambda state=state: float(sum(engine.state is state for engine in engines))  # type: ignore[misc]
            )

    def observe_done(self, task: Task) -> None:
        """Count a finished video."""
        self.tasks.inc()
        self.video_seconds.inc(task.result_seconds)
        if task.accepted_at is not None and task.finished_at is not None:
            self.render.observe(max(0.0, task.finished_at - task.accepted_at))
