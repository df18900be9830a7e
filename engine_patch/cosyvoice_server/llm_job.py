"""Supervision of the thread in which a model makes its speech tokens."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, Optional

from .cancellation import Cancellation


class LanguageModelJob:
    """Watches the thread in which a CosyVoice model makes its speech tokens.

    The package starts `llm_job` for each segment and looks only at the tokens that it leaves. If the job fails, a
    stream waits for ever, and a whole answer is cut short without an error. If the client leaves, the job goes on.
    Removing the job's token list ends both sides at once, and the job's own error is raised instead.
    """

    _SESSION_DICTS = ("tts_speech_token_dict", "llm_end_dict", "mel_overlap_dict", "flow_cache_dict", "hift_cache_dict")

    def __init__(self, model: Any) -> None:
        self._model = model
        self._tokens = getattr(model, "tts_speech_token_dict", None)
        self._errors: Dict[str, BaseException] = {}
        self._able = isinstance(self._tokens, dict) and callable(getattr(model, "llm_job", None))
        if self._able:
            self._original = model.llm_job
            model.llm_job = self._run

    def _run(self, *args: Any, **kwargs: Any) -> None:
        session = kwargs.get("uuid", args[-1] if args else None)
        try:
            self._original(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - raised again in the generator's thread
            if session in self._tokens:  # type: ignore[operator]
                self._errors[str(session)] = error
                self._tokens.pop(session, None)  # type: ignore[union-attr]

    @contextlib.contextmanager
    def watched(self, cancelled: Optional[Cancellation]) -> Iterator[None]:
        """Raise the job's own error in place of the KeyError that it causes; stop the job once `cancelled` is set."""
        if self._able and cancelled is not None:
            cancelled.when_set(self._stop_all)
        try:
            yield
        except KeyError as error:
            cause = self._errors.pop(str(error.args[0]) if error.args else "", None)
            if cause is None:
                raise
            raise cause from None
        finally:
            if cancelled is not None:
                cancelled.when_set(None)

    def _stop_all(self) -> None:
        self._tokens.clear()  # type: ignore[union-attr]

    def forget_leftovers(self) -> None:
        """Drop the state of sessions that did not reach their end; call it when none runs."""
        for name in self._SESSION_DICTS:
            leftovers = getattr(self._model, name, None)
            if isinstance(leftovers, dict):
                leftovers.clear()
        self._errors.clear()
