"""The common part of the stand-in's classes of both generations."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..switches import Switches, read_switches
from ..tensor import Tensor
from .frontend import FrontEnd, PathFrontEnd, TensorFrontEnd
from .model import SpeechModel

log = logging.getLogger(__name__)

RATES = {"CosyVoice": 22050, "CosyVoice2": 24000, "CosyVoice3": 24000}


class BaseCosyVoice:
    """Loads from a model's folder. Raises ValueError where its description is missing."""

    def __init__(self, model_dir: str, **options: Any) -> None:
        switches = read_switches()
        kind = type(self).__name__
        if not (Path(model_dir) / f"{kind.lower()}.yaml").exists():
            raise ValueError(f"{model_dir}/{kind.lower()}.yaml not found!")
        if switches.fails("load"):
            raise RuntimeError("PytorchStreamReader failed reading zip archive: failed finding central directory")
        time.sleep(switches.load_seconds)
        self.model_dir = model_dir
        self.sample_rate = switches.sample_rate or RATES[kind]
        self.frontend = self._frontend(kind, switches)
        self.model = SpeechModel(kind, self.sample_rate, switches)
        self._switches = switches
        self._early_stops = switches.early_stops
        log.info("stand-in %s loaded, options %s", kind, options)

    def _frontend(self, kind: str, switches: Switches) -> FrontEnd:
        front_end = PathFrontEnd if switches.prompt == "path" else TensorFrontEnd
        return front_end(self.sample_rate, kind == "CosyVoice", switches)

    def list_available_spks(self) -> list[str]:
        return list(self.frontend.spk2info)

    def _add_speaker(self, prompt_text: str, prompt: Any, name: str) -> bool:
        entry = self.frontend.frontend_zero_shot("", prompt_text, prompt, self.sample_rate, "")
        del entry["text"]
        del entry["text_len"]
        self.frontend.spk2info[name] = entry
        return True

    def inference_sft(
        self, tts_text: str, spk_id: str, stream: bool = False, speed: float = 1.0, text_frontend: bool = True
    ) -> Iterator[dict[str, Tensor]]:
        for segment in self.frontend.text_normalize(tts_text, split=True, text_frontend=text_frontend):
            yield from self._speak(self.frontend.frontend_sft(segment, spk_id), segment, stream, speed)

    def _zero_shot(
        self, text: str, prompt_text: str, prompt: Any, name: str, options: tuple[bool, float, bool]
    ) -> Iterator[dict[str, Tensor]]:
        stream, speed, text_frontend = options
        prompt_text = self.frontend.text_normalize(prompt_text, split=False, text_frontend=text_frontend)
        for segment in self.frontend.text_normalize(text, split=True, text_frontend=text_frontend):
            entry = self.frontend.frontend_zero_shot(segment, prompt_text, prompt, self.sample_rate, name)
            yield from self._speak(entry, segment, stream, speed)

    def _cross_lingual(
        self, text: str, prompt: Any, name: str, options: tuple[bool, float, bool]
    ) -> Iterator[dict[str, Tensor]]:
        stream, speed, text_frontend = options
        for segment in self.frontend.text_normalize(text, split=True, text_frontend=text_frontend):
            entry = self.frontend.frontend_cross_lingual(segment, prompt, self.sample_rate, name)
            yield from self._speak(entry, segment, stream, speed)

    def _instruct2(
        self, text: str, instruct: str, prompt: Any, name: str, options: tuple[bool, float, bool]
    ) -> Iterator[dict[str, Tensor]]:
        stream, speed, text_frontend = options
        for segment in self.frontend.text_normalize(text, split=True, text_frontend=text_frontend):
            entry = self.frontend.frontend_instruct2(segment, instruct, prompt, self.sample_rate, name)
            yield from self._speak(entry, segment, stream, speed)

    def inference_instruct(
        self,
        tts_text: str,
        spk_id: str,
        instruct_text: str,
        stream: bool = False,
        speed: float = 1.0,
        text_frontend: bool = True,
    ) -> Iterator[dict[str, Tensor]]:
        if type(self).__name__ != "CosyVoice":
            raise NotImplementedError("inference_instruct is only implemented for CosyVoice!")
        for segment in self.frontend.text_normalize(tts_text, split=True, text_frontend=text_frontend):
            entry = self.frontend.frontend_instruct(segment, spk_id, instruct_text)
            yield from self._speak(entry, segment, stream, speed)

    def _speak(self, entry: dict[str, Any], text: str, stream: bool, speed: float) -> Iterator[dict[str, Tensor]]:
        log.info("synthesis text %s", text)
        if self._switches.fails("before", text):
            raise RuntimeError("the stand-in was told to fail before the stream")
        if self._switches.fails("cuda", text):
            raise RuntimeError("CUDA error: device-side assert triggered\nCompile with `TORCH_USE_CUDA_DSA`.")
        if self._early_stops:
            self._early_stops -= 1
            raise RuntimeError(
                "Calculated padded input size per channel: (3). Kernel size: (4). "
                "Kernel size can't be greater than actual input size"
            )
        started = time.monotonic()
        for output in self.model.tts(**entry, stream=stream, speed=speed):
            seconds = max(1e-6, output["tts_speech"].shape[1] / self.sample_rate)
            log.info("yield speech len %s, rtf %s", seconds, (time.monotonic() - started) / seconds)
            yield output
            started = time.monotonic()
            if self._switches.fails("within", text):
                raise RuntimeError("the stand-in was told to fail within the stream")
