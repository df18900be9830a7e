"""Differences between the generations of the `cosyvoice` package, found by inspection."""

from __future__ import annotations

import inspect
import logging
import sys
from typing import Any, Callable, List, Optional

log = logging.getLogger(__name__)


def parameters(function: Callable[..., Any]) -> List[str]:
    """Names of a function's parameters."""
    return list(inspect.signature(function).parameters)


def mentions(function: Any, constant: Any) -> bool:
    """Whether a function's code has this constant: distinguishes versions that share a version string."""
    code = getattr(function, "__code__", None)
    return code is not None and any(
        value == constant or (isinstance(value, str) and isinstance(constant, str) and constant in value)
        for value in code.co_consts
    )


def prompt_kind(model: Any) -> str:
    """`tensor` where `inference_zero_shot` takes a 16 kHz tensor, `path` where it takes a path.

    Recognised by the name of its third parameter: `prompt_speech_16k` until October 2025, `prompt_wav` since.
    """
    names = parameters(model.inference_zero_shot)
    name = names[2] if len(names) > 2 else ""
    return "tensor" if "16k" in name or "speech" in name else "path"


def text_rules(model: Any) -> Optional[str]:
    """What turns numbers and dates into words: `ttsfrd`, `wetext`, or `none`; None where the package does not tell.

    Packages since 2025 name it and pass over a failure in silence; before, the import of one of the two had to succeed.
    """
    frontend = getattr(model, "frontend", None)
    name = getattr(frontend, "text_frontend", None)
    if isinstance(name, str):
        return name or "none"
    older = getattr(frontend, "use_ttsfrd", None)
    if isinstance(older, bool):
        return "ttsfrd" if older else "wetext"
    return None


def correct_prompt_rate(model: Any) -> None:
    """Make a frontend compute the prompt's mel at the model's own rate.

    The newest packages compute it at 24 kHz for every model; CosyVoice-300M, at 22 050 Hz, gets 8.8 % too many frames.
    """
    frontend = getattr(model, "frontend", None)
    extract = getattr(type(frontend), "_extract_speech_feat", None)
    rate = int(model.sample_rate)
    if rate == 24000 or not mentions(extract, 24000):
        return
    module = sys.modules[type(frontend).__module__]
    load = getattr(module, "load_wav", None)
    if load is None:
        return

    def load_at_model_rate(wav: Any, target_sr: int, *args: Any, **kwargs: Any) -> Any:
        return load(wav, rate if target_sr == 24000 else target_sr, *args, **kwargs)

    module.load_wav = load_at_model_rate  # type: ignore[attr-defined]
    log.info("the prompt's mel is computed at %d Hz, the model's own rate", rate)
