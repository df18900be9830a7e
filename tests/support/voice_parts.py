"""The voice entry's services on a real store, with any engine: for tests without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from prometheus_client import CollectorRegistry

from gateway.domain.voice.ports import Reference, SpeechEngine
from gateway.domain.voice.speech import AudioFormat, SpeechMode, SpeechOrder
from gateway.infrastructure.clock import SystemClock
from gateway.infrastructure.database import open_database
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.voice.encoder import FfmpegEncoder
from gateway.infrastructure.voice.normaliser import ReferenceNormaliser, ReferenceRules
from gateway.infrastructure.voice.speech import SpeechStore
from gateway.infrastructure.voice.voice_files import VoiceFiles
from gateway.infrastructure.voice.voices import Voices
from gateway.services.voice.producer import Speaker
from gateway.services.voice.queue import FairQueue
from gateway.services.voice.synthesis import Rules, Synthesis
from gateway.services.voice.training import Training
from gateway.web.voice.metrics import VoiceMetrics
from tests.support.usage import usage_of

REFERENCE_RULES = ReferenceRules(
    sample_rate=24000,
    longest_seconds=30.0,
    least_speech_seconds=1.0,
    decode_seconds=300.0,
    timeout=60.0,
    memory_bytes=2**31,
)
ORDER = SpeechOrder("v_" + "1" * 32, "0" * 64, "Hello.", SpeechMode.CROSS_LINGUAL)


def order(text: str, audio_format: AudioFormat = AudioFormat.WAV, **more: object) -> SpeechOrder:
    """An order of one voice."""
    return replace(ORDER, text=text, audio_format=audio_format, **more)  # type: ignore[arg-type]


@dataclass(frozen=True)
class VoiceServices:
    """Training and synthesis, and what lies below them."""

    voices: Voices
    training: Training
    synthesis: Synthesis
    store: SpeechStore
    queue: FairQueue
    speaker: Speaker

    async def streamed(self, wanted: SpeechOrder) -> bytes:
        """An order's stream, read to its end."""
        return b"".join([piece async for piece in self.synthesis.stream(wanted, self.speaker)])

    async def whole(self, wanted: SpeechOrder) -> bytes:
        """An order's finished file."""
        finished = await self.synthesis.make(wanted, self.speaker)
        return (self.store.folder / finished.filename).read_bytes()


@asynccontextmanager
async def voice_services(
    folder: Path, engine: SpeechEngine, *, slots: int = 1, check_length: bool = False
) -> AsyncIterator[VoiceServices]:
    """Services on an empty database and store."""
    database = await open_database(f"sqlite+aiosqlite:///{folder / 'gateway.sqlite3'}")
    voices, files = Voices(database), VoiceFiles(folder)
    store = SpeechStore(database, folder / "files", clock=SystemClock())
    await store.open()
    queue = FairQueue(slots=slots, size=64, timeout=60.0)
    training = Training(
        voices=voices,
        files=files,
        normaliser=ReferenceNormaliser(rules=REFERENCE_RULES, sandbox=Sandbox(1), folder=files.incoming),
        engine=engine,
        most_voices=10,
    )
    synthesis = Synthesis(
        engine=engine,
        encoder=FfmpegEncoder(),
        store=store,
        queue=queue,
        metrics=VoiceMetrics(CollectorRegistry()),
        usage=usage_of(database),
        rules=Rules(max_seconds=600.0, answer_seconds=60.0, check_length=check_length),
    )
    speaker = Speaker("device-1", Reference(folder / "reference.wav", "0" * 64, ""))
    try:
        yield VoiceServices(voices, training, synthesis, store, queue, speaker)
    finally:
        await training.stop()
        await synthesis.stop()
        await database.dispose()
