"""Only its own recording fails a voice; whatever the host does is waited out, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.domain.storage import StorageError, storage_broken, storage_busy, storage_full, storage_read_only
from gateway.domain.voice.voice import Voice, VoiceStatus
from gateway.services.voice import training
from gateway.services.voice.training import NewVoice
from tests.support.second_engine import ToneEngine
from tests.support.voice import spoken_wav
from tests.support.voice_parts import VoiceServices, voice_services


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(training, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(training, "LONGEST_RETRY_SECONDS", 0.05)
    with capture_logs():  # rendering a traceback with the recording's samples takes seconds
        yield


def received(folder: Path, content: bytes = b"") -> NewVoice:
    upload = folder / "incoming" / "received"
    upload.write_bytes(content or spoken_wav())
    digest = hashlib.sha256(upload.read_bytes()).hexdigest()
    return NewVoice("device-1", "Anna", "", upload, "a.wav", digest, upload.stat().st_size)


async def ended(services: VoiceServices, voice_id: str) -> Voice:
    while True:
        found = await services.voices.get(voice_id, device_id=None)
        assert found is not None
        if found.status in (VoiceStatus.READY, VoiceStatus.FAILED):
            return found
        await asyncio.sleep(0.02)


def failing(times: int, error: Exception, real: Callable[..., Any]) -> Callable[..., Any]:
    """The real function, which fails the first few times."""
    left = [error] * times

    def call(*arguments: Any, **more: Any) -> Any:
        if left:
            raise left.pop()
        return real(*arguments, **more)

    return call


@pytest.mark.parametrize("error", [storage_full(), storage_broken(), storage_read_only(), RuntimeError("ours")])
@pytest.mark.parametrize("step", ["settle", "keep_reference"])
async def test_a_fault_of_the_host_is_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, step: str
) -> None:
    async with voice_services(tmp_path, ToneEngine()) as services:
        files = services.training._files
        monkeypatch.setattr(files, step, failing(5, error, getattr(files, step)))
        voice = await services.training.train(received(tmp_path))
        assert (await ended(services, voice.id)).status is VoiceStatus.READY


@pytest.mark.parametrize("step", ["set_training", "set_ready", "set_failed"])
async def test_a_database_that_is_away_is_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async with voice_services(tmp_path, ToneEngine()) as services:
        voices = services.training._voices
        monkeypatch.setattr(voices, step, failing(5, storage_busy(), getattr(voices, step)))
        content = b"no recording" if step == "set_failed" else b""
        voice = await services.training.train(received(tmp_path, content))
        expected = VoiceStatus.FAILED if content else VoiceStatus.READY
        assert (await ended(services, voice.id)).status is expected


async def test_a_recording_that_is_gone_fails_its_voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with voice_services(tmp_path, ToneEngine()) as services:
        voices = services.training._voices
        set_training = voices.set_training

        async def lose(voice_id: str) -> bool:
            shutil.rmtree(tmp_path / "voices" / voice_id)
            return await set_training(voice_id)

        monkeypatch.setattr(voices, "set_training", lose)
        voice = await ended(services, (await services.training.train(received(tmp_path))).id)
        assert voice.failure is not None
        assert voice.failure.code == "reference_lost"


async def test_a_voice_that_nobody_prepares_is_found(tmp_path: Path) -> None:
    async with voice_services(tmp_path, ToneEngine()) as services:
        voice = await services.training.train(received(tmp_path))
        await services.training.stop()
        await services.voices.set_training(voice.id)
        await services.training.look()
        assert (await ended(services, voice.id)).status is VoiceStatus.READY


async def test_a_refused_voice_leaves_neither_files_nor_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with voice_services(tmp_path, ToneEngine()) as services:
        voices, files = services.training._voices, services.training._files
        add = voices.add

        async def unconfirmed(*arguments: Any, **more: Any) -> Voice:
            await add(*arguments, **more)
            raise storage_busy()

        with monkeypatch.context() as patch:
            patch.setattr(voices, "add", unconfirmed)
            patch.setattr(files, "delete", failing(1, storage_broken(), files.delete))
            with pytest.raises(StorageError, match="storage_busy"):
                await services.training.train(received(tmp_path))
        assert await services.voices.existing_ids()
        await services.training.look()
        assert await services.voices.existing_ids() == set()
        assert list((tmp_path / "voices").iterdir()) == []
