"""Download and load, while the port is already open."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

from .download import Download
from .errors import EngineError, cuda_is_dead, explain_failure, last_line
from .load_failures import meaning_of
from .model import Engine
from .package import build_model, import_package
from .settings import Settings
from .torch_state import cuda_works, describe_gpu

log = logging.getLogger(__name__)


CUDA_DEAD = ("cuda_dead", 15)


class LoadFailed(Exception):  # noqa: N818 - reads better where it is raised
    """The exception that ended the load, and its stage."""

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(last_line(cause))
        self.stage = stage
        self.cause = cause

    def classify(self) -> Tuple[str, int]:
        """Stable code and exit code."""
        if self.stage == "downloading":
            return "download_failed", 11
        return CUDA_DEAD if self.stage == "ready" else meaning_of(self.cause)


class Loader:
    """Loads the model in its own thread and reports the progress."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = "starting"
        self.engine: Optional[Engine] = None
        self.error: Optional[Dict[str, Any]] = None
        self.exit_code = 0
        self.load_seconds: Optional[float] = None
        self.download: Optional[Download] = None
        self._source: Optional[Download] = None
        self.stop_server: Callable[[], None] = lambda: None
        self._started = time.monotonic()
        self._exit_at: Optional[float] = None
        self._failing = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._run, name="model-loader", daemon=True).start()

    def _run(self) -> None:
        try:
            self._load()
        except BaseException as error:  # noqa: BLE001 - a failed load is a state, also a package's SystemExit
            self._fail(LoadFailed(self.state, error))

    def _load(self) -> None:
        package = import_package()
        folder = self.settings.model
        if not Path(folder).exists():
            folder = self._fetch(folder)
        self._enter("loading")
        started = time.monotonic()
        model = build_model(package, folder, self.settings)
        self.engine = Engine(model)
        self.load_seconds = round(time.monotonic() - started, 3)
        self._enter("ready")
        log.info(
            "model=%s kind=%s prompt=%s text_rules=%s sample_rate=%d modes=%s load_seconds=%.1f",
            self.settings.model,
            self.engine.kind,
            self.engine.prompt_kind,
            self.engine.text_rules,
            self.engine.sample_rate,
            ",".join(self.engine.modes),
            self.load_seconds,
        )
        if self.engine.text_rules == "none":
            log.error("the text rules are missing: numbers and dates reach the model as they are written")

    def _fetch(self, model_id: str) -> str:
        self._source = Download(model_id, self.settings.download_attempts)
        folder = self._source.finished_folder()
        if folder is None:
            self.download = self._source
            self._enter("downloading")
            folder = self.download.run()
        return folder

    def _enter(self, state: str) -> None:
        self.state = state
        log.info("state=%s", state)

    def _fail(self, failure: LoadFailed) -> None:
        code, self.exit_code = failure.classify()
        if code == "model_incomplete" and self._source is not None:
            self._source.forget()
        wait = self.settings.failed_exit_seconds
        lost = code == "cuda_dead"
        log.error("the GPU was lost" if lost else "the model could not be loaded", exc_info=failure.cause)
        log.error("state=failed stage=%s code=%s exit_code=%d %s", failure.stage, code, self.exit_code, failure)
        self.error = {
            "code": code,
            "message": "The GPU was lost." if lost else "The engine could not start ({}).".format(failure.stage),
            "last_line": str(failure),
            "exit_code": self.exit_code,
        }
        self.state = "failed"
        if wait > 0:
            self._exit_at = time.monotonic() + wait
            time.sleep(wait)
            self.stop_server()

    def check_gpu(self, error: BaseException) -> None:
        """After a failure of the model: where the process has lost the GPU, end it, so that a new one is started.

        Nothing else brings a broken CUDA context back; without this, every later request would fail for ever.
        """
        if not cuda_is_dead(error) and (explain_failure(error).status != 500 or cuda_works()):
            return
        with self._failing:
            if self.state != "ready":
                return
            self.state = "failed"
        threading.Thread(target=self._fail, args=(LoadFailed("ready", error),), name="gpu-lost", daemon=True).start()

    def require_engine(self) -> Engine:
        """The loaded engine. Raises EngineError 503 with the state."""
        if self.engine is not None and self.state == "ready":
            return self.engine
        message = "The engine is not ready: it is {}.".format(self.state)
        if self.error is not None:
            lost = self.error["code"] == "cuda_dead"
            what = "The engine lost the GPU" if lost else "The engine could not start"
            message = "{}: {}".format(what, self.error["last_line"])
        raise EngineError(503, "engine_" + self.state, message)

    def describe(self) -> Dict[str, Any]:
        """The loader's part of `/health`."""
        engine = self.engine
        error = dict(self.error) if self.error else None
        if error is not None:
            error["exits_in_seconds"] = (
                None if self._exit_at is None else round(max(0.0, self._exit_at - time.monotonic()), 1)
            )
        return {
            "state": self.state,
            "engine_mode": self.settings.engine_mode,
            "model": self.settings.model,
            "model_kind": engine.kind if engine else None,
            "prompt_kind": engine.prompt_kind if engine else None,
            "text_rules": engine.text_rules if engine else None,
            "sample_rate": engine.sample_rate if engine else None,
            "modes": engine.modes if engine else [],
            "speakers": engine.speakers if engine else [],
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "load_seconds": self.load_seconds,
            "download": self.download.describe() if self.download else None,
            # Before that, the query would wait for the driver to initialise.
            "gpu": describe_gpu() if engine else None,
            "error": error,
        }
