"""The package's classes until October 2025: prompts are 16 kHz tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..tensor import Tensor
from .base import BaseCosyVoice


class CosyVoice(BaseCosyVoice):
    """CosyVoice-300M."""

    def __init__(
        self,
        model_dir: str,
        load_jit: bool = False,
        load_trt: bool = False,
        fp16: bool = False,
        trt_concurrent: int = 1,
    ) -> None:
        super().__init__(model_dir, load_jit=load_jit, load_trt=load_trt, fp16=fp16, trt_concurrent=trt_concurrent)

    def add_zero_shot_spk(self, prompt_text: str, prompt_speech_16k: Any, zero_shot_spk_id: str) -> bool:
        return self._add_speaker(prompt_text, prompt_speech_16k, zero_shot_spk_id)

    def inference_zero_shot(
        self,
        tts_text: str,
        prompt_text: str,
        prompt_speech_16k: Any,
        zero_shot_spk_id: str = "",
        stream: bool = False,
        speed: float = 1.0,
        text_frontend: bool = True,
    ) -> Iterator[dict[str, Tensor]]:
        options = (stream, speed, text_frontend)
        yield from self._zero_shot(tts_text, prompt_text, prompt_speech_16k, zero_shot_spk_id, options)

    def inference_cross_lingual(
        self,
        tts_text: str,
        prompt_speech_16k: Any,
        zero_shot_spk_id: str = "",
        stream: bool = False,
        speed: float = 1.0,
        text_frontend: bool = True,
    ) -> Iterator[dict[str, Tensor]]:
        yield from self._cross_lingual(tts_text, prompt_speech_16k, zero_shot_spk_id, (stream, speed, text_frontend))


class CosyVoice2(CosyVoice):
    """CosyVoice2-0.5B."""

    def __init__(
        self,
        model_dir: str,
        load_jit: bool = False,
        load_trt: bool = False,
        load_vllm: bool = False,
        fp16: bool = False,
        trt_concurrent: int = 1,
    ) -> None:
        BaseCosyVoice.__init__(
            self,
            model_dir,
            load_jit=load_jit,
            load_trt=load_trt,
            load_vllm=load_vllm,
            fp16=fp16,
            trt_concurrent=trt_concurrent,
        )

    def inference_instruct2(
        self,
        tts_text: str,
        instruct_text: str,
        prompt_speech_16k: Any,
        zero_shot_spk_id: str = "",
        stream: bool = False,
        speed: float = 1.0,
        text_frontend: bool = True,
    ) -> Iterator[dict[str, Tensor]]:
        options = (stream, speed, text_frontend)
        yield from self._instruct2(tts_text, instruct_text, prompt_speech_16k, zero_shot_spk_id, options)


class CosyVoice3(CosyVoice2):
    """Fun-CosyVoice3-0.5B, which knows no `load_jit`."""

    def __init__(
        self,
        model_dir: str,
        load_trt: bool = False,
        load_vllm: bool = False,
        fp16: bool = False,
        trt_concurrent: int = 1,
    ) -> None:
        BaseCosyVoice.__init__(
            self, model_dir, load_trt=load_trt, load_vllm=load_vllm, fp16=fp16, trt_concurrent=trt_concurrent
        )
