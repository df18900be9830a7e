"""What the voice entry's handlers share, made when it starts and closed when it stops."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

from starlette.requests import Request

from gateway.infrastructure.audio import ReferenceNormaliser, ReferenceRules
from gateway.infrastructure.cosyvoice import CosyVoice, Timeouts
from gateway.infrastructure.database import open_database
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.speech import SpeechStore
from gateway.infrastructure.voice_files import VoiceFiles
from gateway.infrastructure.voices import Voices
from gateway.services.queue import FairQueue
from gateway.services.retention import keep_within_bounds
from gateway.services.synthesis import Rules, Synthesis
from gateway.services.training import Training
from gateway.settings import VoiceSettings
from gateway.web.entry import CommonState, Shared, common_state
from gateway.web.health import doctors_reason
from gateway.web.voice.metrics import VoiceMetrics

# A first answer that is right is worth this much of the start; the background look follows in any case.
FIRST_LOOK_SECONDS = 1.0


class VoiceState(CommonState):
    """Lifespan state of the voice entry."""

    voice_settings: VoiceSettings
    voices: Voices
    voice_files: VoiceFiles
    training: Training
    synthesis: Synthesis
    speech_store: SpeechStore
    engine: CosyVoice
    queue: FairQueue


VoiceRequest = Request[VoiceState]


def _normaliser(settings: VoiceSettings, files: VoiceFiles) -> ReferenceNormaliser:
    return ReferenceNormaliser(
        rules=ReferenceRules(
            sample_rate=settings.reference_sample_rate,
            longest_seconds=settings.reference_max_seconds,
            least_speech_seconds=settings.reference_min_speech_seconds,
            decode_seconds=settings.reference_decode_seconds,
            timeout=settings.decode_timeout,
            memory_bytes=settings.decode_memory_bytes,
        ),
        sandbox=Sandbox(settings.decode_workers or os.cpu_count() or 1),
        folder=files.incoming,
    )


def _engine(settings: VoiceSettings, metrics: VoiceMetrics) -> CosyVoice:
    return CosyVoice(
        str(settings.cosyvoice_url),
        timeouts=Timeouts(first_byte=settings.engine_first_byte_timeout, idle=settings.engine_idle_timeout),
        on_state=metrics.engine_state,
        explain=lambda: doctors_reason(settings.doctor_report, "cosyvoice"),
    )


def _in_background(stack: AsyncExitStack, *tasks: asyncio.Task[None]) -> None:
    async def end() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(end)


@asynccontextmanager
async def open_voice(*, settings: VoiceSettings, shared: Shared) -> AsyncIterator[VoiceState]:
    """Everything that the entry's handlers use; on leaving, what runs is interrupted without a trace."""
    metrics = VoiceMetrics(shared.metrics.registry)
    async with AsyncExitStack() as stack:
        database = await open_database(settings.resolved_database_url)
        stack.push_async_callback(database.dispose)
        voices, files = Voices(database), VoiceFiles(settings.data_dir)
        store = SpeechStore(database, settings.data_dir / "files")
        await store.open()
        await store.keep_voices(await voices.existing_ids())
        engine = _engine(settings, metrics)
        stack.push_async_callback(engine.close)
        queue = FairQueue(
            slots=settings.engine_concurrency,
            size=settings.queue_size,
            timeout=settings.queue_timeout,
            on_change=metrics.queue_length,
        )
        training = Training(
            voices=voices,
            files=files,
            normaliser=_normaliser(settings, files),
            engine=engine,
            most_voices=settings.max_voices_per_device,
            on_normalised=metrics.normalised,
        )
        synthesis = Synthesis(
            engine=engine,
            store=store,
            queue=queue,
            metrics=metrics,
            rules=Rules(
                max_seconds=settings.synthesis_max_seconds,
                answer_seconds=settings.tts_answer_timeout,
                reserve_bytes=settings.min_free_bytes,
            ),
        )
        with suppress(TimeoutError):
            await asyncio.wait_for(engine.look(), FIRST_LOOK_SECONDS)
        await training.start()
        stack.push_async_callback(training.stop)
        stack.push_async_callback(synthesis.stop)
        _in_background(
            stack,
            asyncio.create_task(engine.watch(settings.engine_poll_interval)),
            asyncio.create_task(
                keep_within_bounds(
                    store,
                    interval=settings.retention_interval,
                    max_age=timedelta(seconds=settings.files_max_age),
                    max_bytes=settings.files_max_bytes,
                )
            ),
        )
        yield VoiceState(
            **common_state(settings=settings, shared=shared),
            voice_settings=settings,
            voices=voices,
            voice_files=files,
            training=training,
            synthesis=synthesis,
            speech_store=store,
            engine=engine,
            queue=queue,
        )
