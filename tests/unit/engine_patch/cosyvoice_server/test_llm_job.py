"""Sessions of a model whose tokens are made in threads: stopped, forgotten, and their errors raised."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cosyvoice_server.cancellation import Cancellation
from cosyvoice_server.llm_job import LanguageModelJob

# Far more tokens than a test waits for.
ENDLESS = 10**5


class Model:
    """As the real one: a thread fills the token list of a session while its generator looks at the list."""

    def __init__(self) -> None:
        self.tts_speech_token_dict: dict[str, list[int]] = {}
        self.llm_end_dict: dict[str, bool] = {}
        self.hift_cache_dict: dict[str, Any] = {}
        self.fails = False
        self.threads: list[threading.Thread] = []

    def llm_job(self, tokens: int, uuid: str) -> None:
        for token in range(tokens):
            if self.fails:
                raise ValueError("no next token")
            self.tts_speech_token_dict[uuid].append(token)
            time.sleep(0.001)
        self.llm_end_dict[uuid] = True

    def tts(self, session: str, tokens: int) -> Iterator[int]:
        self.tts_speech_token_dict[session], self.llm_end_dict[session] = [], False
        self.hift_cache_dict[session] = None
        thread = threading.Thread(target=self.llm_job, args=(tokens, session), daemon=True)
        self.threads.append(thread)
        thread.start()
        sent = 0
        while not self.llm_end_dict[session] or sent < len(self.tts_speech_token_dict[session]):
            if sent < len(self.tts_speech_token_dict[session]):
                yield sent
                sent += 1
        thread.join()
        for sessions in self.sessions():
            sessions.pop(session)

    def sessions(self) -> list[dict[str, Any]]:
        return [self.tts_speech_token_dict, self.llm_end_dict, self.hift_cache_dict]

    def is_empty(self) -> bool:
        return not any(self.sessions()) and not any(thread.is_alive() for thread in self.threads)


def test_a_stream_that_is_abandoned_leaves_nothing() -> None:
    model = Model()
    job = LanguageModelJob(model)
    with job.watched(Cancellation()), contextlib.closing(model.tts("a", ENDLESS)) as pieces:
        assert [next(pieces) for _ in range(3)] == [0, 1, 2]
    assert model.is_empty()


def test_a_cancellation_ends_its_own_session_only() -> None:
    model = Model()
    job = LanguageModelJob(model)
    heard: list[int] = []
    begun, left = threading.Event(), threading.Event()

    def stay() -> None:
        with job.watched(Cancellation()):
            for piece in model.tts("stays", 4):
                heard.append(piece)
                begun.set()
                assert left.wait(10)

    staying = threading.Thread(target=stay, daemon=True)
    staying.start()
    assert begun.wait(10)
    cancelled = Cancellation()
    with pytest.raises(KeyError), job.watched(cancelled):
        for _ in model.tts("leaves", ENDLESS):
            cancelled.set()
    assert "stays" in model.tts_speech_token_dict
    left.set()
    staying.join(timeout=10)
    assert heard == [0, 1, 2, 3]
    assert model.is_empty()


def test_a_session_that_begins_after_the_cancellation_is_not_begun() -> None:
    model = Model()
    job = LanguageModelJob(model)
    cancelled = Cancellation()
    with pytest.raises(KeyError), job.watched(cancelled):
        cancelled.set()
        list(model.tts("late", ENDLESS))
    assert model.is_empty()


def test_a_jobs_own_error_is_raised() -> None:
    model = Model()
    job = LanguageModelJob(model)
    model.fails = True
    with pytest.raises(ValueError, match="no next token"), job.watched(Cancellation()):
        list(model.tts("fails", 5))
    assert model.is_empty()


def test_a_model_without_such_threads_is_left_alone() -> None:
    job = LanguageModelJob(object())
    with job.watched(Cancellation()):
        pass
