"""The shared state of the voice entry's handlers, created at its start and closed at its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypedDict

from starlette.requests import Request

from gateway.domain.incoming import IncomingFiles
from gateway.domain.usage import UsageRecords, Work
from gateway.domain.voice import ports
from gateway.domain.voice.default_voice import DEFAULT_VOICE_ID
from gateway.infrastructure import voice as voice_infrastructure
from gateway.infrastructure.clock import SystemClock
from gateway.infrastructure.database import opened_database, probe_storage
from gateway.infrastructure.folder_lock import own_folder
from gateway.infrastructure.incoming import IncomingFolder
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.steady_clock import ClockKeeper, is_unused, load_clock
from gateway.infrastructure.usage import UsageTable
from gateway.infrastructure.voice.archive import ZipArchives
from gateway.infrastructure.voice.cosyvoice import CosyVoice, Timeouts
from gateway.infrastructure.voice.encoder import FfmpegEncoder
from gateway.infrastructure.voice.normaliser import ReferenceNormaliser, ReferenceRules
from gateway.infrastructure.voice.number_reader import RuleReader, read_rules
from gateway.infrastructure.voice.speech import SpeechStore
from gateway.infrastructure.voice.voice_files import VoiceFiles
from gateway.infrastructure.voice.voices import Voices
from gateway.infrastructure.voice_detector import voice_detector
from gateway.services.loops import in_background
from gateway.services.resumable import ResumableUploads
from gateway.services.usage import Usage
from gateway.services.voice.default_voice import DefaultVoice, Recording
from gateway.services.voice.deletion import Deletion
from gateway.services.voice.queue import FairQueue
from gateway.services.voice.retention import keep_within_bounds
from gateway.services.voice.synthesis import Rules, Synthesis
from gateway.services.voice.texts import Texts
from gateway.services.voice.training import Training
from gateway.settings import VoiceSettings
from gateway.web.entry import CommonState, Shared, common_state, create_usage, open_resumable_uploads
from gateway.web.health import doctor_reason
from gateway.web.voice.metrics import VoiceMetrics
from gateway.web.voice.stream_count import StreamCount

# The start waits this long for a first state; the background check follows in any case.
FIRST_CHECK_SECONDS = 1.0
DEFAULT_RECORDING = Path(voice_infrastructure.__file__).parent / "default_voice"


class VoiceState(CommonState):
    """Lifespan state of the voice entry."""

    voice_settings: VoiceSettings
    voices: Voices
    voice_files: VoiceFiles
    incoming: IncomingFiles
    training: Training
    deletion: Deletion
    default_voice: DefaultVoice
    texts: Texts
    openai_texts: Texts
    synthesis: Synthesis
    encoder: ports.Encoder
    speech_store: ports.SpeechStore
    engine: ports.SpeechEngine
    queue: FairQueue
    archives: ports.Archives
    streams: StreamCount


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
        detector=voice_detector,
    )


def default_recording() -> Recording:
    """The recording that comes with the gateway."""
    words = (DEFAULT_RECORDING / "recording.txt").read_text(encoding="utf-8").strip()
    return Recording(DEFAULT_RECORDING / "recording.flac", words)


def _default_voice(settings: VoiceSettings, files: VoiceFiles) -> DefaultVoice:
    return DefaultVoice(
        default_recording(),
        folder=settings.data_dir / "default_voice",
        normaliser=_normaliser(settings, files),
    )


def _engine(settings: VoiceSettings, metrics: VoiceMetrics) -> CosyVoice:
    return CosyVoice(
        str(settings.cosyvoice_url),
        timeouts=Timeouts(first_byte=settings.engine_first_byte_timeout, idle=settings.engine_idle_timeout),
        on_state=metrics.engine_state,
        explain=lambda: doctor_reason(settings.doctor_report, "cosyvoice"),
    )


def _usage(settings: VoiceSettings, shared: Shared, records: UsageRecords, clock: SystemClock) -> Usage:
    limits = {Work.REQUESTS: settings.key_requests_per_day, Work.SPEECH_SECONDS: settings.key_speech_seconds_per_day}
    return create_usage(shared=shared, records=records, clock=clock, limits=limits)


def _queue(settings: VoiceSettings, metrics: VoiceMetrics) -> FairQueue:
    return FairQueue(
        slots=settings.engine_concurrency,
        size=settings.queue_size,
        timeout=settings.queue_timeout,
        on_change=metrics.queue_length,
    )


def _training(
    settings: VoiceSettings, voices: Voices, files: VoiceFiles, engine: CosyVoice, metrics: VoiceMetrics
) -> Training:
    return Training(
        voices=voices,
        files=files,
        normaliser=_normaliser(settings, files),
        engine=engine,
        most_voices=settings.max_voices_per_device,
        on_normalised=metrics.normalised,
    )


def _synthesis(
    settings: VoiceSettings,
    *,
    engine: CosyVoice,
    store: SpeechStore,
    queue: FairQueue,
    metrics: VoiceMetrics,
    usage: Usage,
) -> Synthesis:
    return Synthesis(
        engine=engine,
        encoder=FfmpegEncoder(),
        store=store,
        queue=queue,
        metrics=metrics,
        usage=usage,
        rules=Rules(
            max_seconds=settings.synthesis_max_seconds,
            answer_seconds=settings.tts_answer_timeout,
            check_length=settings.speech_length_check,
        ),
    )


async def _start(stack: AsyncExitStack, engine: CosyVoice, training: Training, synthesis: Synthesis) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(engine.refresh(), FIRST_CHECK_SECONDS)
    await training.start()
    stack.push_async_callback(training.stop)
    stack.push_async_callback(synthesis.stop)


async def _retention(settings: VoiceSettings, store: SpeechStore) -> None:
    await keep_within_bounds(
        store,
        interval=settings.retention_interval,
        max_age=timedelta(seconds=settings.files_max_age),
        max_bytes=settings.files_max_bytes,
    )


class _Texts(TypedDict):
    texts: Texts
    openai_texts: Texts
    streams: StreamCount


def _texts(settings: VoiceSettings) -> _Texts:
    reader = RuleReader()
    return {
        "texts": Texts(reader, limit=settings.max_text_chars),
        "openai_texts": Texts(reader, limit=settings.longest_openai_text),
        "streams": StreamCount(settings.text_streams_per_address),
    }


def _uploads(settings: VoiceSettings, clock: SystemClock) -> AbstractAsyncContextManager[ResumableUploads]:
    return open_resumable_uploads(settings.data_dir / "partial", settings=settings, clock=clock)


@asynccontextmanager
async def open_voice(*, settings: VoiceSettings, shared: Shared) -> AsyncIterator[VoiceState]:
    """Everything that the entry's handlers use; on leaving, running work is cancelled without a record.

    Raises:
        SecondGatewayError: another process uses the data folder.
        StorageError: the database can't be reached or migrated.
    """
    metrics = VoiceMetrics(shared.metrics.registry)
    async with AsyncExitStack() as stack:
        # Before any file is deleted: it may be the other process's.
        stack.enter_context(own_folder(settings.data_dir, entry="voice"))
        clock = SystemClock(load_clock(settings.data_dir, is_new=is_unused(settings.data_dir)))
        await stack.enter_async_context(ClockKeeper(settings.data_dir, clock.steady).running())
        database = await stack.enter_async_context(opened_database(settings.resolved_database_url))
        voices, files = Voices(database), VoiceFiles(settings.data_dir)
        store = SpeechStore(database, settings.data_dir / "files", clock=clock, reserve_bytes=settings.min_free_bytes)
        await store.open()
        await store.keep_voices({DEFAULT_VOICE_ID, *await voices.existing_ids()})
        engine = _engine(settings, metrics)
        stack.push_async_callback(engine.close)
        queue, training = _queue(settings, metrics), _training(settings, voices, files, engine, metrics)
        usage = _usage(settings, shared, UsageTable(database, entry="voice"), clock)
        await stack.enter_async_context(usage.kept())
        synthesis = _synthesis(settings, engine=engine, store=store, queue=queue, metrics=metrics, usage=usage)
        deletion = Deletion(voices=voices, files=files, engine=engine, training=training, synthesis=synthesis)
        await _start(stack, engine, training, synthesis)
        watches = (engine.watch(settings.engine_poll_interval), training.watch(), deletion.watch(), read_rules())
        storage = shared.storage.watch(lambda: probe_storage(database, settings.data_dir))
        await stack.enter_async_context(in_background(*watches, storage, _retention(settings, store)))
        uploads = await stack.enter_async_context(_uploads(settings, clock))
        yield VoiceState(
            **common_state(settings=settings, shared=shared, usage=usage, clock=clock, resumable_uploads=uploads),
            voice_settings=settings,
            voices=voices,
            voice_files=files,
            incoming=IncomingFolder(files.incoming, reserve_bytes=settings.min_free_bytes),
            training=training,
            deletion=deletion,
            default_voice=_default_voice(settings, files),
            **_texts(settings),
            synthesis=synthesis,
            encoder=FfmpegEncoder(),
            speech_store=store,
            engine=engine,
            queue=queue,
            archives=ZipArchives(most_bytes=settings.max_upload_bytes, reserve_bytes=settings.min_free_bytes),
        )
