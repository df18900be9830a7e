"""The loaded model, whatever its kind and generation."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import logging
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, Generator, Iterator, List, Optional, Tuple

from .audio import as_array, to_pcm
from .cancellation import Cancellation
from .generations import correct_prompt_rate, mentions, parameters, prompt_kind, text_rules
from .llm_job import LanguageModelJob
from .order import PROMPT_MODES, Features, Order
from .per_thread import separate
from .torch_state import set_seed

END_OF_PROMPT = "<|endofprompt|>"
COSYVOICE3_PREFIX = "You are a helpful assistant."
# CosyVoice3 now and then ends after so few speech tokens that its vocoder fails: upstream masks one of its stop tokens
# while the shortest length is enforced, and not the others. Another seed works.
STOPPED_EARLY = "Kernel size can't be greater than actual input size"
ATTEMPTS = 3

log = logging.getLogger(__name__)


class Speakers(dict):  # type: ignore[type-arg]
    """The frontend's speakers; a lookup returns a copy.

    Older frontends delete keys from the entry that they look up, which would break the entry for the next segment.
    """

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        return dict(value) if isinstance(value, dict) else value


class Engine:
    """One interface to a loaded CosyVoice model of any kind and generation.

    `analyse` and `generate` are called from worker threads, each of which iterates what it began.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._frontend: Any = getattr(model, "frontend", None)
        self.sample_rate = int(model.sample_rate)
        self.kind = type(model).__name__
        self.prompt_kind = prompt_kind(model)
        self.text_rules = text_rules(model)
        self.speakers = self._preset_speakers()
        self.modes = self._find_modes()
        self._speakers = self._copying_speakers()
        self._job = LanguageModelJob(getattr(model, "model", None))
        self._hop = getattr(getattr(model, "model", None), "token_hop_len", None)
        if self._hop is not None:
            # Models 2 and 3 let it grow within a stream; another stream must not begin with it.
            separate(model.model, "token_hop_len")
        correct_prompt_rate(model)

    def _preset_speakers(self) -> List[str]:
        try:
            return [str(name) for name in self._model.list_available_spks()]
        except AttributeError:
            return []

    def _find_modes(self) -> List[str]:
        found = [mode for mode in ("sft", *PROMPT_MODES) if hasattr(self._model, "inference_" + mode)]
        if not self.speakers and "sft" in found:
            found.remove("sft")
        # CosyVoice2 and 3 inherit a method that only raises; an older package marks models that lack the mode.
        if self.kind == "CosyVoice" and getattr(self._model, "instruct", True) and self.speakers:
            found.append("instruct")
        return found

    def _copying_speakers(self) -> Optional[Speakers]:
        known: Any = getattr(self._frontend, "spk2info", None)
        able = hasattr(self._model, "add_zero_shot_spk") and hasattr(self._frontend, "_extract_text_token")
        able = able and isinstance(known, dict)
        if not able or "zero_shot_spk_id" not in parameters(self._model.inference_zero_shot):
            return None
        speakers = Speakers(known)
        self._frontend.spk2info = speakers
        return speakers

    @property
    def analyses_once(self) -> bool:
        """Whether the package can keep a reference's features (all but the oldest can)."""
        return self._speakers is not None

    def analyse(self, reference: Path, prompt_text: str = "") -> Features:
        """Compute a reference's features. Raises the exceptions of the model's frontend."""
        assert self._speakers is not None  # noqa: S101 - callers ask `analyses_once` first
        key = "twinport-" + uuid.uuid4().hex
        self._model.add_zero_shot_spk(prompt_text, self._open(reference), key)
        return Features(self._speakers.pop(key), prompt_text)

    def _open(self, reference: Path) -> Any:
        if self.prompt_kind == "path":
            return str(reference)
        return importlib.import_module("cosyvoice.utils.file_utils").load_wav(str(reference), 16000)

    def generate(self, order: Order, features: Optional[Features], cancelled: Cancellation) -> Iterator[bytes]:
        """PCM of `order`, chunk by chunk. With `features` of a registered voice its reference is not analysed again.

        Where the model stops too early for any sound, it runs again, with the next seed if there is one.
        Raises the model's own exceptions, also those of its language model's thread.
        """
        for attempt in range(1, ATTEMPTS + 1):
            started = False
            try:
                for pcm in self._attempt(order, features, cancelled):
                    started = True
                    yield pcm
            except RuntimeError as error:
                if started or attempt == ATTEMPTS or cancelled.is_set() or STOPPED_EARLY not in str(error):
                    raise
                log.warning("the model stopped early in attempt %d of %d", attempt, ATTEMPTS)
            else:
                return
            if order.seed is not None:
                order = dataclasses.replace(order, seed=(order.seed + 1) % 2**32)

    def _attempt(self, order: Order, features: Optional[Features], cancelled: Cancellation) -> Iterator[bytes]:
        if order.seed is not None:
            set_seed(order.seed)
        if self._hop is not None:
            self._model.model.token_hop_len = self._hop
        key = "twinport-" + uuid.uuid4().hex
        try:
            with self._job.watched(cancelled), contextlib.closing(self._call(order, features, key)) as outputs:
                for output in outputs:
                    yield to_pcm(as_array(output["tts_speech"]))
                    if cancelled.is_set():
                        return
        finally:
            if self._speakers is not None:
                self._speakers.pop(key, None)

    def _call(self, order: Order, features: Optional[Features], key: str) -> Generator[Any, None, None]:
        method = getattr(self._model, "inference_" + order.mode)
        options = {"stream": order.stream, "speed": order.speed, "text_frontend": order.text_frontend}
        known = parameters(method)
        options = {name: value for name, value in options.items() if name in known}
        if order.mode == "sft":
            yield from method(order.text, order.speaker, **options)
        elif order.mode == "instruct":
            yield from method(order.text, order.speaker, self._instruct_text(order), **options)
        else:
            yield from self._call_with_prompt(method, order, features, key, options)

    def _call_with_prompt(
        self,
        method: Callable[..., Iterator[Any]],
        order: Order,
        features: Optional[Features],
        key: str,
        options: Dict[str, Any],
    ) -> Iterator[Any]:
        prompt_text = self._prompt_text(order)
        given: Tuple[Any, ...] = () if order.mode == "cross_lingual" else (prompt_text,)
        if self._speakers is not None and "zero_shot_spk_id" in parameters(method):
            # One analysis for the whole text; the model itself would repeat it for each segment.
            self._speakers[key] = self._entry(order, features, prompt_text)
            options = {**options, "zero_shot_spk_id": key}
            given = () if order.mode == "cross_lingual" else ("",) if order.mode == "zero_shot" else given
            prompt: Any = ""
        else:
            prompt = self._open(order.reference)  # type: ignore[arg-type]
        for text, chosen in self._texts(order, options):
            yield from method(text, *given, prompt, **chosen)

    def _entry(self, order: Order, features: Optional[Features], prompt_text: str) -> Dict[str, Any]:
        if features is None:
            features = self.analyse(order.reference, prompt_text)  # type: ignore[arg-type]
        entry = dict(features.entry)
        if features.prompt_text != prompt_text and order.mode != "cross_lingual":
            token, length = self._frontend._extract_text_token(prompt_text)  # noqa: SLF001 - there is no other way
            entry["prompt_text"], entry["prompt_text_len"] = token, length
        return entry

    def _texts(self, order: Order, options: Dict[str, Any]) -> Iterator[Tuple[str, Dict[str, Any]]]:
        """The text, or for CosyVoice3's cross-lingual mode its segments, each with the mark that the model needs.

        The frontend neither normalises nor splits a text with a mark in it, so both are done before.
        """
        if self.kind != "CosyVoice3" or order.mode != "cross_lingual" or END_OF_PROMPT in order.text:
            yield order.text, options
            return
        segments = self._frontend.text_normalize(order.text, split=True, text_frontend=order.text_frontend)
        for segment in segments:
            yield COSYVOICE3_PREFIX + END_OF_PROMPT + segment, options

    def _prompt_text(self, order: Order) -> str:
        if order.mode == "instruct2":
            return self._instruct_text(order)
        if order.mode == "cross_lingual":
            return ""
        text = order.prompt_text
        if self._speakers is not None and hasattr(self._frontend, "text_normalize"):
            text = self._frontend.text_normalize(text, split=False, text_frontend=order.text_frontend)
        if self.kind == "CosyVoice3" and END_OF_PROMPT not in text:
            text = COSYVOICE3_PREFIX + END_OF_PROMPT + text
        return str(text)

    def _instruct_text(self, order: Order) -> str:
        """The instruction with the mark at its end, unless the frontend adds the mark itself."""
        text = order.instruct_text
        builder = getattr(self._frontend, "frontend_" + order.mode, None)
        if "endofprompt|>" in text or mentions(getattr(builder, "__func__", builder), "endofprompt"):
            return text
        if self.kind == "CosyVoice3" and not text.startswith(COSYVOICE3_PREFIX):
            text = COSYVOICE3_PREFIX + " " + text
        return text + END_OF_PROMPT
