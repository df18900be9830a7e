"""Text and reference analysis: the methods, inputs and results of CosyVoice's frontend."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

import numpy as np

from ..speech import fundamental, pace_of
from ..switches import Switches
from ..tensor import Tensor
from ..utils.file_utils import load_wav, resample

log = logging.getLogger(__name__)

SENTENCE = re.compile(r"[^。！？；.!?;\n]*[。！？；.!?;\n]*")
# A segment is about as long as the real frontend's 80 tokens.
SEGMENT_CHARACTERS = 80
PRESETS = {"中文女": 210.0, "中文男": 120.0, "英文女": 220.0, "英文男": 110.0}


class FrontEnd:
    """The common part of both generations. `spk2info` maps a speaker's name to features, as in the real package."""

    def __init__(self, sample_rate: int, presets: bool, switches: Switches) -> None:
        self.sample_rate = sample_rate
        self.switches = switches
        self.text_frontend = "" if switches.rules == "none" else switches.rules
        self.spk2info: dict[str, dict[str, Any]] = {}
        if presets:
            self.spk2info = {name: {"embedding": embedding(pitch, 4.0)} for name, pitch in PRESETS.items()}

    def text_normalize(self, text: str, split: bool = True, text_frontend: bool = True) -> Any:
        """A text's segments, or with `split=False` the text; one with a mark in it stays as it is."""
        if "<|" in text and "|>" in text:
            text_frontend = False
        if not text_frontend or text == "":
            return [text] if split else text
        text = text.strip()
        segments = [segment for segment in split_text(text) if any(letter.isalnum() for letter in segment)]
        return segments if split else text

    def _extract_text_token(self, text: str) -> tuple[Tensor, Tensor]:
        tokens = np.array([[ord(letter) for letter in text]], dtype=np.int32).reshape(1, -1)
        return Tensor(tokens), Tensor(np.array([tokens.shape[1]], dtype=np.int32))

    def _extract_speech_feat(self, prompt: Any) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _speech_16k(self, prompt: Any) -> Any:
        raise NotImplementedError

    def _features(self, samples: Any) -> tuple[Tensor, Tensor]:
        """Stands for the mel spectrum: the pitch, measured as if the samples had the model's rate."""
        pitch = fundamental(samples, self.sample_rate)
        return Tensor(np.full((1, 1, 80), pitch, dtype=np.float32)), Tensor(np.array([1], dtype=np.int32))

    def _analyse(self, prompt: Any) -> dict[str, Any]:
        if self.switches.free and not self.switches.analysis_seconds:
            speech = np.zeros(16000, dtype=np.float32)
            feature, length = self._features(speech)
        else:
            feature, length = self._extract_speech_feat(prompt)
            speech = self._speech_16k(prompt).numpy().reshape(-1)
        # The real package's own messages for its limits.
        assert len(speech) / 16000 <= 30, "do not support extract speech token for audio longer than 30s"  # noqa: S101
        assert len(speech) >= 400, f"choose a window size 400 that is [2, {len(speech)}]"  # noqa: S101
        time.sleep(self.switches.analysis_seconds)
        log.info("prompt analysed: %.2f s", len(speech) / 16000)
        pitch = float(feature.numpy().reshape(-1)[0])
        voice = embedding(pitch, pace_of(speech, 16000))
        token, count = Tensor(np.zeros((1, len(speech) // 640), dtype=np.int32)), Tensor(np.array([1], dtype=np.int32))
        return {
            "llm_prompt_speech_token": token,
            "llm_prompt_speech_token_len": count,
            "flow_prompt_speech_token": token,
            "flow_prompt_speech_token_len": count,
            "prompt_speech_feat": feature,
            "prompt_speech_feat_len": length,
            "llm_embedding": voice,
            "flow_embedding": voice,
        }

    def frontend_sft(self, text: str, speaker: str) -> dict[str, Any]:
        voice = self.spk2info[speaker]["embedding"]
        token, length = self._extract_text_token(text)
        return {"text": token, "text_len": length, "llm_embedding": voice, "flow_embedding": voice}

    def frontend_zero_shot(self, text: str, prompt_text: str, prompt: Any, rate: int, speaker: str) -> dict[str, Any]:
        token, length = self._extract_text_token(text)
        if speaker == "":
            entry = self._analyse(prompt)
            entry["prompt_text"], entry["prompt_text_len"] = self._extract_text_token(prompt_text)
        else:
            entry = self._known_speaker(speaker)
        entry["text"], entry["text_len"] = token, length
        return entry

    def _known_speaker(self, speaker: str) -> dict[str, Any]:
        return {**self.spk2info[speaker]}

    def frontend_cross_lingual(self, text: str, prompt: Any, rate: int, speaker: str) -> dict[str, Any]:
        entry = self.frontend_zero_shot(text, "", prompt, rate, speaker)
        for name in ("prompt_text", "prompt_text_len", "llm_prompt_speech_token", "llm_prompt_speech_token_len"):
            del entry[name]
        return entry

    def frontend_instruct(self, text: str, speaker: str, instruct_text: str) -> dict[str, Any]:
        entry = self.frontend_sft(text, speaker)
        entry["prompt_text"], entry["prompt_text_len"] = self._extract_text_token(instruct_text)
        return entry

    def frontend_instruct2(self, text: str, instruct: str, prompt: Any, rate: int, speaker: str) -> dict[str, Any]:
        entry = self.frontend_zero_shot(text, instruct, prompt, rate, speaker)
        for name in ("llm_prompt_speech_token", "llm_prompt_speech_token_len"):
            del entry[name]
        return entry


class PathFrontEnd(FrontEnd):
    """Since December 2025: the prompt is a path or file, and the mel is taken at 24 kHz for every model."""

    def _extract_speech_feat(self, prompt: Any) -> tuple[Tensor, Tensor]:
        return self._features(load_wav(prompt, 24000).numpy().reshape(-1))

    def _speech_16k(self, prompt: Any) -> Tensor:
        return load_wav(prompt, 16000)


class TensorFrontEnd(FrontEnd):
    """Until October 2025: the prompt is a 16 kHz tensor, and a known speaker's entry is returned uncopied."""

    def _extract_speech_feat(self, prompt: Any) -> tuple[Tensor, Tensor]:
        return self._features(resample(prompt.numpy().reshape(-1), 16000, self.sample_rate))

    def _speech_16k(self, prompt: Any) -> Tensor:
        return Tensor(prompt.numpy())

    def _known_speaker(self, speaker: str) -> dict[str, Any]:
        return self.spk2info[speaker]

    def frontend_instruct(self, text: str, speaker: str, instruct_text: str) -> dict[str, Any]:
        return super().frontend_instruct(text, speaker, instruct_text + "<endofprompt>")

    def frontend_instruct2(self, text: str, instruct: str, prompt: Any, rate: int, speaker: str) -> dict[str, Any]:
        return super().frontend_instruct2(text, instruct + "<|endofprompt|>", prompt, rate, speaker)


def embedding(pitch: float, pace: float) -> Tensor:
    """A speaker as the model sees it: pitch in Hz and pace in bursts per second."""
    return Tensor(np.array([[pitch, pace]], dtype=np.float32))


def split_text(text: str) -> list[str]:
    """Whole sentences, gathered up to a segment's length."""
    segments: list[str] = []
    for sentence in SENTENCE.findall(text):
        if segments and len(segments[-1]) + len(sentence) <= SEGMENT_CHARACTERS:
            segments[-1] += sentence
        elif sentence:
            segments.append(sentence)
    return segments
