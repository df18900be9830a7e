"""A voice whose record is gone loses everything else too, at once or as soon as the disk lets it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.storage import StorageError, storage_broken, storage_busy
from gateway.services.loops import in_background
from gateway.services.voice import deletion
from gateway.services.voice.deletion import Deletion
from tests.support.second_engine import ToneEngine
from tests.support.voice_parts import VoiceServices, voice_services
from tests.unit.gateway.services.voice.test_training import ended, failing, received


def deletion_of(services: VoiceServices) -> Deletion:
    return Deletion(
        voices=services.voices,
        files=services.training._files,
        engine=ToneEngine(),
        training=services.training,
        synthesis=services.synthesis,
    )


async def test_files_that_could_not_be_deleted_are_deleted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "WATCH_SECONDS", 0.05)
    async with voice_services(tmp_path, ToneEngine()) as services:
        voice = await ended(services, (await services.training.train(received(tmp_path))).id)
        files, part = services.training._files, deletion_of(services)
        monkeypatch.setattr(files, "delete", failing(3, storage_broken(), files.delete))
        await part.delete(voice)
        assert await services.voices.existing_ids() == set()
        assert files.upload(voice.id).exists()
        async with in_background(part.watch()):
            while files.upload(voice.id).exists():  # noqa: ASYNC110 - a folder has no event
                await asyncio.sleep(0.02)


async def test_a_voice_whose_record_stays_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with voice_services(tmp_path, ToneEngine()) as services:
        voice = await ended(services, (await services.training.train(received(tmp_path))).id)
        with monkeypatch.context() as patch:
            patch.setattr(services.voices, "delete", failing(1, storage_busy(), services.voices.delete))
            with pytest.raises(StorageError):
                await deletion_of(services).delete(voice)
        assert await services.voices.existing_ids() == {voice.id}
        assert services.training._files.reference(voice.id).exists()
