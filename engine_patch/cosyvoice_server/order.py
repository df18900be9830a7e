"""Orders for the model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Dict, Optional

PROMPT_MODES = ("zero_shot", "cross_lingual", "instruct2")


@dataclasses.dataclass(frozen=True)
class Order:
    """A checked request for speech. `reference` is None for preset speakers and a voice whose features are known."""

    mode: str
    text: str
    speaker: str = ""
    instruct_text: str = ""
    prompt_text: str = ""
    reference: Optional[Path] = None
    voice_id: str = ""
    stream: bool = False
    speed: float = 1.0
    text_frontend: bool = True
    seed: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Features:
    """A reference as the model's frontend analysed it, and the prompt text of that analysis."""

    entry: Dict[str, Any]
    prompt_text: str
