"""What is stored, over clock jumps and restarts, in a real database."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.naming import new_file_token, new_voice_id
from gateway.domain.voice.quality import Grade, ReferenceQuality
from gateway.domain.voice.speech import AudioFormat, StoredSpeech
from gateway.domain.voice.voice import ReferenceReport, Voice, VoiceFailure, VoiceStatus
from gateway.infrastructure.database import open_database
from gateway.infrastructure.voice import speech
from gateway.infrastructure.voice.speech import SpeechStore
from gateway.infrastructure.voice.voices import Voices

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def time(self) -> float:
        return self.now.timestamp()

    def monotonic(self) -> float:
        return time.monotonic()

    held = False

    def horizon(self, max_age: float) -> float:
        return self.time() - max_age


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'gateway.sqlite3'}")
    yield engine
    await engine.dispose()


def new_voice(clock: Clock, *, name: str = "Anna", device: str = "d") -> Voice:
    return Voice(
        id=new_voice_id(),
        device_id=device,
        name=name,
        status=VoiceStatus.PENDING,
        prompt_text="",
        upload_name="a.wav",
        upload_sha256="0" * 64,
        created_at=clock(),
        updated_at=clock(),
    )


async def add(voices: Voices, voice: Voice, most: int = 100) -> Voice:
    return await voices.add(voice, repeat_window=timedelta(minutes=20), most=most)


async def test_the_database_survives_a_crash_and_waits_for_others(database: AsyncEngine) -> None:
    async with database.connect() as connection:
        values = [
            (await connection.execute(sa.text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    assert values == ["wal", 2, 10000]


async def test_migrations_match_the_tables(database: AsyncEngine) -> None:
    def columns(connection: sa.Connection) -> dict[str, set[str]]:
        inspector = sa.inspect(connection)
        return {name: {column["name"] for column in inspector.get_columns(name)} for name in ("voices", "speech")}

    async with database.connect() as connection:
        found = await connection.run_sync(columns)
    assert found["speech"] == set(speech.speech.columns.keys())
    assert "reference_sha256" in found["voices"]


async def test_voices_are_in_order_of_arrival_whatever_the_clock_does(database: AsyncEngine) -> None:
    clock = Clock()
    voices = Voices(database, now=clock)
    made = []
    for number, jump in enumerate((0, 3650, -7300, 1)):
        clock.now += jump * DAY
        made.append((await add(voices, new_voice(clock, name=str(number)))).id)
    listed, total = await voices.page(device_id="d", limit=10, offset=0)
    assert [voice.id for voice in listed] == made[::-1]
    assert total == 4


async def test_a_repeated_upload_is_found_though_the_clock_jumped_a_little(database: AsyncEngine) -> None:
    clock = Clock()
    voices = Voices(database, now=clock)
    first = await add(voices, new_voice(clock))
    for jump in (timedelta(minutes=5), -timedelta(minutes=8)):
        clock.now += jump
        assert (await add(voices, new_voice(clock))).id == first.id
    clock.now += DAY
    assert (await add(voices, new_voice(clock))).id != first.id


async def test_a_failed_upload_may_be_tried_again(database: AsyncEngine) -> None:
    clock = Clock()
    voices = Voices(database, now=clock)
    first = await add(voices, new_voice(clock))
    await voices.set_failed(first.id, VoiceFailure("reference_silent", "静音", "silent"))
    assert (await add(voices, new_voice(clock))).id != first.id


async def test_what_was_read_is_not_remembered_beyond_a_write(database: AsyncEngine) -> None:
    clock = Clock()
    voices = Voices(database, now=clock)
    voice = await add(voices, new_voice(clock))
    assert await voices.get(voice.id, device_id="d") is not None
    assert await voices.get(voice.id, device_id="other") is None
    assert await voices.rename(voice.id, device_id="d", name="Berta")
    found = await voices.get(voice.id, device_id="d")
    assert found is not None
    assert found.name == "Berta"
    assert not await voices.delete(voice.id, device_id="other")
    assert await voices.delete(voice.id, device_id="d")
    assert await voices.get(voice.id, device_id=None) is None


async def put(store: SpeechStore, size: int = 100, name: str = "x") -> StoredSpeech:
    finished = StoredSpeech(name * 8, new_file_token(), "v", "model", size, 1.0, AudioFormat.WAV)
    made = store.begin()
    await made.write(bytes(size))
    await made.finish()
    await store.put(made, finished)
    return finished


async def opened(database: AsyncEngine, folder: Path, clock: Clock) -> SpeechStore:
    store = SpeechStore(database, folder, clock=clock)
    await store.open()
    return store


async def test_a_clock_that_jumps_ahead_takes_no_file_that_is_in_use(database: AsyncEngine, tmp_path: Path) -> None:
    clock = Clock()
    store = await opened(database, tmp_path / "files", clock)
    fresh = await put(store)
    clock.now += 3650 * DAY
    assert await store.expire(max_age=DAY, max_bytes=10**9) == 0
    assert store.path_of(fresh.filename) is not None
    # A later run of the process knows of no use, and the file is old.
    later = await opened(database, tmp_path / "files", clock)
    assert await later.expire(max_age=DAY, max_bytes=10**9) == 1
    assert later.path_of(fresh.filename) is None


async def test_a_clock_that_jumps_back_keeps_everything(database: AsyncEngine, tmp_path: Path) -> None:
    clock = Clock()
    await put(await opened(database, tmp_path / "files", clock))
    clock.now -= 3650 * DAY
    later = await opened(database, tmp_path / "files", clock)
    assert await later.expire(max_age=DAY, max_bytes=10**9) == 0
    assert await later.find("x" * 8, model="model") is not None


async def test_the_least_recently_used_goes_first(
    database: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "GRACE_SECONDS", 0.0)
    clock = Clock()
    store = await opened(database, tmp_path / "files", clock)
    made = []
    for name in "abc":
        clock.now += timedelta(minutes=1)
        made.append(await put(store, name=name))
    clock.now += timedelta(minutes=1)
    assert await store.find("a" * 8, model="model") is not None
    with store.serving(made[1].filename):
        assert await store.expire(max_age=DAY, max_bytes=250) == 1
    kept = [store.path_of(one.filename) is not None for one in made]
    assert kept == [True, True, False]


async def test_another_models_speech_is_not_served(database: AsyncEngine, tmp_path: Path) -> None:
    store = await opened(database, tmp_path / "files", Clock())
    await put(store)
    assert await store.find("x" * 8, model="other") is None
    assert await store.find("x" * 8, model="") is not None


async def test_a_file_that_was_damaged_is_not_served(database: AsyncEngine, tmp_path: Path) -> None:
    store = await opened(database, tmp_path / "files", Clock())
    finished = await put(store)
    (store.folder / finished.filename).write_bytes(b"short")
    assert await store.find("x" * 8, model="model") is None


async def test_speech_whose_file_is_missing_is_made_again(database: AsyncEngine, tmp_path: Path) -> None:
    store = await opened(database, tmp_path / "files", Clock())
    finished = await put(store)
    (store.folder / finished.filename).unlink()
    assert await store.find("x" * 8, model="model") is None
    assert store.path_of(finished.filename) is None

    again = await put(store)
    found = await store.find("x" * 8, model="model")
    assert found == again


async def test_files_without_a_record_are_swept(database: AsyncEngine, tmp_path: Path) -> None:
    store = await opened(database, tmp_path / "files", Clock())
    finished = await put(store)
    stray = store.folder / f"{new_file_token()}.wav"
    stray.write_bytes(b"x")
    assert await store.sweep() == 1
    assert sorted(store.folder.iterdir()) == [store.folder / finished.filename]


async def test_the_clean_up_spares_what_is_being_published(
    database: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(database, tmp_path / "files", Clock())
    seen, go_on = threading.Event(), threading.Event()
    publish = speech.publish

    def publish_and_wait(temporary: Path, final: Path) -> None:
        publish(temporary, final)
        seen.set()
        go_on.wait(10)

    monkeypatch.setattr(speech, "publish", publish_and_wait)
    putting = asyncio.create_task(put(store))
    await asyncio.to_thread(seen.wait, 10)
    assert await store.sweep() == 0
    go_on.set()
    finished = await putting
    assert store.path_of(finished.filename) is not None


async def test_speech_published_during_the_clean_up_stays(
    database: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(database, tmp_path / "files", Clock())
    before = store._in_use
    stray = store.folder / f"{new_file_token()}.wav"

    def late() -> set[str]:
        stray.write_bytes(b"x")  # its token is touched only now, after the folder was listed in use
        return before()

    monkeypatch.setattr(store, "_in_use", late)
    assert await store.sweep() == 0
    assert stray.exists()


async def test_speech_requested_while_others_expire_keeps_its_file(
    database: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    made = {name: await put(await opened(database, tmp_path / "files", clock), name=name) for name in "ab"}
    clock.now += 10 * DAY
    later = await opened(database, tmp_path / "files", clock)
    monkeypatch.setattr(speech, "BATCH", 1)
    delete = later._execute

    async def delete_while_asked(*statements: sa.Delete) -> None:
        await delete(*statements)
        for finished in made.values():
            later._touch(finished.token)

    monkeypatch.setattr(later, "_execute", delete_while_asked)
    await later.expire(max_age=DAY, max_bytes=10**9)
    assert all(later.path_of(finished.filename) is not None for finished in made.values())


async def test_a_grade_is_kept_and_voices_of_before_have_none(database: AsyncEngine) -> None:
    clock = Clock()
    repository = Voices(database, now=clock)
    voice = await repository.add(new_voice(clock), repeat_window=DAY, most=5)
    quality = ReferenceQuality(Grade.FAIR, ("echo", "short"), 25.5, 1.1, 0.0, 7000)
    report = ReferenceReport(9.0, 8.0, 0.5, 8.7, False, 3.0, 0.0, 16000, quality)
    await repository.set_ready(voice.id, reference_sha256="1" * 64, report=report)
    fresh = Voices(database, now=clock)
    found = await fresh.get(voice.id, device_id="d")
    assert found is not None
    assert found.report == report
    # The report itself has the fields that the version before knows, and no other.
    async with database.connect() as connection:
        (stored,) = (await connection.execute(sa.text("SELECT report FROM voices"))).one()
    assert set(json.loads(stored)) == {one.name for one in fields(ReferenceReport)} - {"quality"}
    async with database.begin() as connection:
        await connection.execute(sa.text("UPDATE voices SET quality = ''"))
    older = await Voices(database, now=clock).get(voice.id, device_id="d")
    assert older is not None
    assert older.report == replace(report, quality=None)
