"""Supervision of the threads in which a model makes its speech tokens."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any, Dict, Iterator, List, Optional

from .cancellation import Cancellation

# A job looks at its list at each speech token; the longest wait is that for the first token of a long text.
STOP_SECONDS = 10.0

log = logging.getLogger(__name__)


class Call:
    """The sessions that one call of the model began, segment by segment."""

    def __init__(self, cancelled: Cancellation) -> None:
        self.cancelled = cancelled
        self.sessions: List[str] = []


class TokenLists(Dict[str, Any]):
    """The model's token lists by session; it notes which thread's call began which session."""

    def __init__(self, known: Dict[str, Any]) -> None:
        super().__init__(known)
        self._thread = threading.local()
        self.ended: Dict[str, threading.Event] = {}

    def enter(self, call: Optional[Call]) -> None:
        """What this thread begins from now on belongs to `call`."""
        self._thread.call = call

    def __setitem__(self, session: str, tokens: Any) -> None:
        super().__setitem__(session, tokens)
        call: Optional[Call] = getattr(self._thread, "call", None)
        if call is None or session in call.sessions:
            return
        self.ended[session] = threading.Event()
        call.sessions.append(session)
        if call.cancelled.is_set():
            self.pop(session, None)


class LanguageModelJob:
    """Watches the threads in which a CosyVoice model makes its speech tokens.

    The package starts `llm_job` for each segment and looks only at the tokens that it leaves. If the job fails, a
    stream waits for ever, and a whole answer is cut short without an error. If the client leaves, the job goes on, and
    the session's state is never removed. Removing the job's token list ends both sides at once, and the job's own error
    is raised instead.
    """

    _SESSION_DICTS = ("llm_end_dict", "mel_overlap_dict", "flow_cache_dict", "hift_cache_dict")

    def __init__(self, model: Any) -> None:
        self._model = model
        self._errors: Dict[str, BaseException] = {}
        self._tokens: Optional[TokenLists] = None
        if isinstance(getattr(model, "tts_speech_token_dict", None), dict) and callable(
            getattr(model, "llm_job", None)
        ):
            self._tokens = model.tts_speech_token_dict = TokenLists(model.tts_speech_token_dict)
            self._original = model.llm_job
            model.llm_job = self._run

    def _run(self, *args: Any, **kwargs: Any) -> None:
        assert self._tokens is not None  # noqa: S101 - only then it is the model's job
        session = str(kwargs.get("uuid", args[-1] if args else ""))
        try:
            self._original(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - raised again in the generator's thread
            if session in self._tokens:
                self._errors[session] = error
                self._tokens.pop(session, None)
        finally:
            ended = self._tokens.ended.get(session)
            if ended is not None:
                ended.set()

    @contextlib.contextmanager
    def watched(self, cancelled: Cancellation) -> Iterator[None]:
        """What this thread asks of the model within: stopped once `cancelled` is set, and forgotten at the end.

        Raises a job's own error in place of the KeyError that it causes.
        """
        if self._tokens is None:
            yield
            return
        call = Call(cancelled)
        self._tokens.enter(call)
        cancelled.when_set(lambda: self._stop(call))
        try:
            yield
        except KeyError as error:
            cause = self._errors.get(str(error.args[0]) if error.args else "")
            if cause is None:
                raise
            raise cause from None
        finally:
            cancelled.when_set(None)
            self._tokens.enter(None)
            self._forget(call)

    def _stop(self, call: Call) -> None:
        for session in list(call.sessions):
            self._tokens.pop(session, None)  # type: ignore[union-attr]

    def _forget(self, call: Call) -> None:
        """Remove all state of a call's sessions, once their jobs have ended."""
        assert self._tokens is not None  # noqa: S101 - there are no calls without
        self._stop(call)
        for session in call.sessions:
            if not self._tokens.ended[session].wait(STOP_SECONDS):
                log.warning("a language model's job has not stopped within %g s", STOP_SECONDS)
            del self._tokens.ended[session]
            self._errors.pop(session, None)
            for name in self._SESSION_DICTS:
                getattr(self._model, name, {}).pop(session, None)
