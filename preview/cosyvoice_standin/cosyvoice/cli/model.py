"""The stand-in's network: a thread that makes speech tokens, and a loop that turns them into sound.

It has the real model's structure (session dictionaries, `llm_job` in a thread of its own for each segment, growing
hops) because a server has to handle its consequences.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..speech import Speaker, speak, tone
from ..switches import Switches
from ..tensor import Tensor

# Speech tokens for each second of sound.
TOKENS_PER_SECOND = 25
END_OF_PROMPT = "<|endofprompt|>"
# Words in an instruction that the stand-in follows: pattern, factor on the pace.
PACES = (("快", 1.4), ("fast", 1.4), ("慢", 0.7), ("slow", 0.7))


class SpeechModel:
    """Speaks token sequences. Sessions are known by a uuid, each with its entry in every dictionary."""

    def __init__(self, kind: str, sample_rate: int, switches: Switches) -> None:
        self.kind = kind
        self.sample_rate = sample_rate
        self.switches = switches
        self.lock = threading.Lock()
        self.token_hop_len = TOKENS_PER_SECOND
        self.tts_speech_token_dict: dict[str, list[int]] = {}
        self.llm_end_dict: dict[str, bool] = {}
        self.hift_cache_dict: dict[str, Any] = {}

    def llm_job(self, text: str, prompt_text: str, voice: Tensor, speed: float, uuid: str) -> None:
        """Fill the token list of session `uuid`; its sound is in `hift_cache_dict`."""
        if self.kind == "CosyVoice3":
            assert END_OF_PROMPT in prompt_text + text, (  # noqa: S101 - the real model's own words
                "<|endofprompt|> not detected in CosyVoice3 text or prompt_text, check your input!"
            )
        if self.switches.fails("memory", text):
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        sound = self._speak(text.rpartition(END_OF_PROMPT)[2], prompt_text, voice, speed)
        self.hift_cache_dict[uuid] = sound
        for token in range(-(-len(sound) * TOKENS_PER_SECOND // self.sample_rate)):
            time.sleep(self.switches.rtf / TOKENS_PER_SECOND)
            if token == 2 * TOKENS_PER_SECOND and self.switches.fails("job", text):
                raise RuntimeError("the language model's thread was told to fail")
            self.tts_speech_token_dict[uuid].append(token)
        self.llm_end_dict[uuid] = True

    def _speak(self, text: str, prompt_text: str, voice: Tensor, speed: float) -> Any:
        pitch, pace = (float(value) for value in voice.numpy().reshape(-1)[:2])
        instruction = prompt_text.lower() if END_OF_PROMPT in prompt_text or "<endofprompt>" in prompt_text else ""
        for word, factor in PACES:
            if word in instruction:
                speed *= factor
        speaker = Speaker(
            pitch=min(99, max(0, round((pitch - 70) / 3))), words_per_minute=min(230, max(120, round(125 + 10 * pace)))
        )
        # From the generator that a seed sets, so that a seed can be heard.
        spread = 1 + 0.02 * (np.random.random() - 0.5)
        return speak(text, speaker, self.sample_rate, speed * spread) * self.switches.gain

    def tts(
        self,
        text: Tensor,
        flow_embedding: Tensor,
        prompt_text: Tensor | None = None,
        stream: bool = False,
        speed: float = 1.0,
        **_: Any,
    ) -> Iterator[dict[str, Tensor]]:
        """Sound for one segment: with `stream` in growing hops, else in one piece."""
        if self.switches.free:
            yield {"tts_speech": Tensor(tone(self.sample_rate)).unsqueeze(0)}
            return
        session = str(uuid.uuid1())
        words = "" if prompt_text is None else letters(prompt_text)
        with self.lock:
            self.tts_speech_token_dict[session], self.llm_end_dict[session] = [], False
            self.hift_cache_dict[session] = None
        job = threading.Thread(target=self.llm_job, args=(letters(text), words, flow_embedding, speed, session))
        job.start()
        yield from self._stream(session) if stream else self._whole(session, job)
        with self.lock:
            for sessions in (self.tts_speech_token_dict, self.llm_end_dict, self.hift_cache_dict):
                sessions.pop(session)

    def _whole(self, session: str, job: threading.Thread) -> Iterator[dict[str, Tensor]]:
        job.join()
        yield self._sound(session, 0, len(self.tts_speech_token_dict[session]))

    def _stream(self, session: str) -> Iterator[dict[str, Tensor]]:
        done = 0
        while True:
            time.sleep(0.02)
            made = len(self.tts_speech_token_dict[session])
            if made - done >= self.token_hop_len:
                yield self._sound(session, done, done + self.token_hop_len)
                done += self.token_hop_len
                # As in the real models 2 and 3 it only grows.
                if self.kind != "CosyVoice":
                    self.token_hop_len = min(4 * TOKENS_PER_SECOND, 2 * self.token_hop_len)
            elif self.llm_end_dict[session]:
                break
        yield self._sound(session, done, len(self.tts_speech_token_dict[session]))

    def _sound(self, session: str, first: int, last: int) -> dict[str, Tensor]:
        step = self.sample_rate // TOKENS_PER_SECOND
        sound = self.hift_cache_dict[session][first * step : last * step]
        return {"tts_speech": Tensor(sound).unsqueeze(0)}


def letters(tokens: Tensor) -> str:
    return "".join(chr(int(token)) for token in tokens.numpy().reshape(-1))
