"""The routes' work."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import logging
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .body import read_form
from .cancellation import Cancellation
from .errors import ClientGone, EngineError, disk_error, explain_failure
from .forms import Form, FormLimits
from .jobs import Job
from .loader import Loader
from .log import request_id_of
from .model import Engine
from .order import PROMPT_MODES, Features, Order
from .plan import find_upload, plan, read_text
from .reference import Reference, prepare_reference
from .scratch import Scratch
from .settings import Settings
from .slots import Slots
from .streaming import PcmResponse, client_gone, first_chunk
from .torch_state import free_gpu_memory
from .voices import Voice, VoiceStore

log = logging.getLogger(__name__)


class Service:
    """Synthesis and registration, from a request to its answer."""

    def __init__(self, settings: Settings, loader: Loader, voices: VoiceStore) -> None:
        self._settings = settings
        self._loader = loader
        self._voices = voices
        self.slots = Slots(settings.slots, settings.queue_limit, settings.queue_timeout_seconds)
        self._workers = concurrent.futures.ThreadPoolExecutor(self.slots.slots, thread_name_prefix="model")
        self._readers = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="reference")
        self._jobs: List[Job] = []

    async def synthesise(self, request: Request, mode: str) -> Response:
        """The answer, once the first samples are there. Raises EngineError and ClientGone."""
        engine = self._loader.require_engine()
        scratch = Scratch()
        gone: Optional[asyncio.Future[None]] = None
        job: Optional[Job] = None
        try:
            form = await self._read(request, scratch)
            order, features = await self._prepare(mode, form, engine, scratch)
            log.info(
                "request=%s mode=%s characters=%d voice=%s stream=%s",
                request_id_of(request),
                mode,
                len(order.text),
                order.voice_id or "-",
                order.stream,
            )
            gone = asyncio.ensure_future(client_gone(request))
            job = await self._start(lambda cancelled: self._speak(engine, order, features, cancelled), gone)
            first = await first_chunk(job, gone)
            return PcmResponse(
                first,
                job,
                gone,
                scratch.remove,
                self._headers(engine),
                self._settings.send_timeout_seconds,
            )
        except BaseException as error:
            scratch.remove()
            if job is not None:
                job.cancel()
            if gone is not None:
                gone.cancel()
            raise self._report(error) from error

    @staticmethod
    def _report(error: BaseException) -> BaseException:
        if not isinstance(error, Exception) or isinstance(error, (EngineError, ClientGone)):
            return error
        answer = explain_failure(error)
        log.error("the model failed: code=%s", answer.code, exc_info=error)
        if answer.code == "out_of_memory":
            free_gpu_memory()
        return answer

    async def _read(self, request: Request, scratch: Scratch) -> Form:
        most = self._settings.max_upload_bytes
        field = 8 * self._settings.max_text_chars + 4096
        limits = FormLimits(body_bytes=most, field_bytes=field)
        if not request.headers.get("content-type", "").startswith("multipart/"):
            # Percent-encoded text is three times as long.
            limits = dataclasses.replace(limits, body_bytes=4 * field)
        return await read_form(request, scratch, limits, self._settings.read_timeout_seconds)

    async def _prepare(
        self, mode: str, form: Form, engine: Engine, scratch: Scratch
    ) -> Tuple[Order, Optional[Features]]:
        order = plan(mode, form, engine, self._settings)
        if order.voice_id:
            voice, features = self._voices.use(order.voice_id)
            if mode == "zero_shot" and not order.prompt_text:
                if not voice.prompt_text:
                    raise EngineError(
                        422, "field_missing", "The field prompt_text is missing: this voice was registered without one."
                    )
                order = dataclasses.replace(order, prompt_text=voice.prompt_text)
            if features is None:
                reference = self._voices.lend_reference(order.voice_id, scratch.folder())
                order = dataclasses.replace(order, reference=reference)
            return order, features
        if mode in PROMPT_MODES:
            checked = await self._check_reference(find_upload(form), scratch.folder())
            order = dataclasses.replace(order, reference=checked.path)
        return order, None

    async def _check_reference(self, upload: Path, folder: Path) -> Reference:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._readers, prepare_reference, upload, folder / "reference.wav", self._settings
            )
        except OSError as error:
            raise disk_error(error) from error

    async def _start(self, produce: Callable[[Cancellation], Iterator[Any]], gone: asyncio.Future[None]) -> Job:
        await self.slots.acquire(gone)
        job = Job(self._watched(produce), lambda: self._finish(job), self._settings.max_buffered_bytes)
        self._jobs.append(job)
        self._workers.submit(job.run)
        return job

    def _watched(self, produce: Callable[[Cancellation], Iterator[Any]]) -> Callable[[Cancellation], Iterator[Any]]:
        """The same work; when it fails, the GPU is looked at in the thread that worked."""

        def work(cancelled: Cancellation) -> Iterator[Any]:
            try:
                yield from produce(cancelled)
            except Exception as error:
                self._loader.check_gpu(error)
                raise

        return work

    def _finish(self, job: Job) -> None:
        self._jobs.remove(job)
        self.slots.release()

    def _speak(
        self, engine: Engine, order: Order, features: Optional[Features], cancelled: Cancellation
    ) -> Iterator[bytes]:
        if order.voice_id and features is None and engine.analyses_once:
            features = engine.analyse(order.reference)  # type: ignore[arg-type]
            self._voices.remember(order.voice_id, features)
        for pcm in engine.generate(order, features, cancelled):
            if pcm:
                yield pcm

    def _headers(self, engine: Engine) -> Dict[str, str]:
        return {
            "Content-Type": "audio/L16; rate={}; channels=1".format(engine.sample_rate),
            "X-Sample-Rate": str(engine.sample_rate),
            "X-Model": self._settings.model.encode("ascii", "replace").decode("ascii"),
            "Cache-Control": "no-store",
        }

    async def register(self, request: Request) -> Response:
        """Analyse a reference once and keep it. Raises EngineError and ClientGone."""
        engine = self._loader.require_engine()
        scratch = Scratch()
        gone: Optional[asyncio.Future[None]] = None
        try:
            form = await self._read(request, scratch)
            prompt_text = ""
            if form.fields.get("prompt_text", ""):
                prompt_text = read_text(
                    form, "prompt_text", self._settings.max_prompt_chars, tags=engine.kind != "CosyVoice"
                )
            reference = await self._check_reference(find_upload(form), scratch.folder())
            voice = Voice(
                # By the text as it was sent, so that whoever sent it can compute the name.
                VoiceStore.name(reference.path, form.fields.get("prompt_text", "")),
                prompt_text,
                round(reference.duration, 3),
                reference.sample_rate,
                time.time(),
            )
            with contextlib.suppress(EngineError):
                return JSONResponse(dataclasses.asdict(self._voices.get(voice.voice_id)), status_code=200)
            gone = asyncio.ensure_future(client_gone(request))
            job = await self._start(lambda _: self._register(engine, reference, voice), gone)
            await job.next(gone)
            return JSONResponse(dataclasses.asdict(voice), status_code=201)
        except OSError as error:
            raise disk_error(error) from error
        except BaseException as error:
            raise self._report(error) from error
        finally:
            if gone is not None:
                gone.cancel()
            scratch.remove()

    def _register(self, engine: Engine, reference: Reference, voice: Voice) -> Iterator[Voice]:
        features = engine.analyse(reference.path) if engine.analyses_once else None
        self._voices.add(reference, voice, features)
        yield voice

    def health(self) -> Dict[str, Any]:
        """The answer of `/health`."""
        queue = {
            "slots": self.slots.slots,
            "running": self.slots.running,
            "waiting": self.slots.waiting,
            "limit": self.slots.limit,
        }
        voices = {"registered": len(self._voices), "limit": self._voices.limit}
        return {**self._loader.describe(), "voices": voices, "queue": queue}

    def stop(self) -> None:
        """Cancel all work."""
        for job in self._jobs:
            job.cancel()
