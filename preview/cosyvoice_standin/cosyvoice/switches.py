"""The stand-in's switches: environment variables with the prefix `PREVIEW_COSYVOICE_`."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import Any

PREFIX = "PREVIEW_COSYVOICE_"


@dataclass(frozen=True)
class Switches:
    """Each field is the variable `PREVIEW_COSYVOICE_<FIELD>`."""

    # CosyVoice, CosyVoice2 or CosyVoice3; empty: by the model's name.
    kind: str = ""
    # path (since December 2025) or tensor (before).
    prompt: str = "path"
    # Hz; 0: 22050 for CosyVoice, 24000 for the others.
    sample_rate: int = 0
    # Seconds of work for each second of speech.
    rtf: float = 0.0
    # Seconds that the analysis of a reference takes.
    analysis_seconds: float = 0.0
    load_seconds: float = 0.0
    # What reads numbers, as the real frontend names it; none: what it needs could not be loaded.
    rules: str = "wetext"
    # Of these, with commas: before: the first `next()` raises; within: after the first chunk; job: the language
    # model's thread dies; memory: out of GPU memory; cuda: the GPU's context breaks; load: the model does not load.
    fail: str = ""
    # 1: fail only for texts that request it, such as "fail before".
    fail_on_demand: int = 0
    # Number of segments, the first ones, that stop before any sound as CosyVoice3 does now and then.
    early_stops: int = 0
    # 1: no espeak-ng, a tenth of a second of tone for each segment, at no cost.
    free: int = 0
    # Factor on the samples; above 1 they pass full scale.
    gain: float = 1.0
    download_bytes: int = 1_000_000
    download_seconds: float = 0.0
    # The number of download attempts that fail.
    download_failures: int = 0

    def fails(self, when: str, text: str = "") -> bool:
        return when in self.fail.split(",") and (not self.fail_on_demand or f"fail {when}" in text)


def read_switches() -> Switches:
    """The switches of this process. Raises ValueError for a value that can't be read."""
    values: dict[str, Any] = {}
    for field in fields(Switches):
        text = os.environ.get(PREFIX + field.name.upper(), "")
        default: Any = field.default
        if text:
            values[field.name] = type(default)(text)
    return Switches(**values)
