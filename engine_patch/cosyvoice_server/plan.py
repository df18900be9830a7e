"""From a form to an order."""

from __future__ import annotations

import dataclasses
import unicodedata
from pathlib import Path
from typing import Dict, Optional, Tuple

from .errors import EngineError
from .forms import Form
from .model import Engine
from .order import PROMPT_MODES, Order
from .settings import Settings, parse_switch
from .tokens import without_tokens, words

ROUTE_FIELDS: Dict[str, Tuple[str, ...]] = {
    "sft": ("tts_text", "spk_id"),
    "zero_shot": ("tts_text", "prompt_text", "prompt_wav"),
    "cross_lingual": ("tts_text", "prompt_wav"),
    "instruct": ("tts_text", "spk_id", "instruct_text"),
    "instruct2": ("tts_text", "instruct_text", "prompt_wav"),
}


def require_field(form: Form, name: str) -> str:
    """Raises EngineError `field_missing`."""
    if name not in form.fields:
        raise EngineError(422, "field_missing", "The field {} is missing (got: {}).".format(name, form.names()[:300]))
    return form.fields[name]


def read_text(form: Form, name: str, most: int, tags: bool = True) -> str:
    """A field without control tokens, with a letter or digit and at most `most` characters. Raises EngineError 422.

    With `tags` the tags that CosyVoice documents for texts stay.
    """
    text = require_field(form, name)
    if len(text) > most:
        raise EngineError(422, "text_too_long", "{} has {} characters, more than {}.".format(name, len(text), most))
    text = without_tokens(text, tags)
    if not any(unicodedata.category(character)[0] in "LN" for character in words(text)):
        raise EngineError(422, "text_empty", "{} has nothing that can be spoken.".format(name))
    return text


def read_switch(form: Form, name: str, default: bool) -> bool:
    try:
        return parse_switch(form.fields[name]) if name in form.fields else default
    except ValueError:
        raise EngineError(422, "field_invalid", "{} must be true or false.".format(name)) from None


def read_speed(form: Form) -> float:
    try:
        speed = float(form.fields.get("speed", "1"))
    except ValueError:
        speed = 0.0
    if not 0.5 <= speed <= 2.0:
        raise EngineError(422, "field_invalid", "speed must be a number from 0.5 to 2.0.")
    return speed


def read_seed(form: Form) -> Optional[int]:
    text = form.fields.get("seed", "")
    if not text:
        return None
    # The range of numpy's generator.
    if not (text.isascii() and text.isdigit() and int(text[:11]) < 2**32 and len(text) < 11):
        raise EngineError(422, "field_invalid", "seed must be a whole number from 0 to 4294967295.")
    return int(text)


def plan(mode: str, form: Form, engine: Engine, settings: Settings) -> Order:
    """Check a form against its route and the loaded model. Raises EngineError 422."""
    # The tokenizer of CosyVoice-300M has no tags; its instruct model was trained on them as text.
    tags = engine.kind != "CosyVoice" or mode == "instruct"
    order = Order(
        mode=mode,
        text=read_text(form, "tts_text", settings.max_text_chars, tags),
        stream=read_switch(form, "stream", default=False),
        speed=read_speed(form),
        text_frontend=read_switch(form, "text_frontend", default=True),
        seed=read_seed(form),
    )
    if mode in {"sft", "instruct"}:
        order = dataclasses.replace(order, speaker=require_field(form, "spk_id"))
    if mode in {"instruct", "instruct2"}:
        instruct_text = read_text(form, "instruct_text", settings.max_prompt_chars, tags=False)
        order = dataclasses.replace(order, instruct_text=instruct_text)
    if mode in PROMPT_MODES:
        order = plan_prompt(order, form, settings, tags)
    check_ability(order, engine)
    return order


def plan_prompt(order: Order, form: Form, settings: Settings, tags: bool) -> Order:
    voice_id = form.fields.get("voice_id", "")
    if voice_id and "prompt_wav" in form.files:
        raise EngineError(422, "field_invalid", "Send either voice_id or prompt_wav, not both.")
    if order.mode == "zero_shot" and ("prompt_text" in form.fields or not voice_id):
        order = dataclasses.replace(order, prompt_text=read_text(form, "prompt_text", settings.max_prompt_chars, tags))
    return dataclasses.replace(order, voice_id=voice_id)


def check_ability(order: Order, engine: Engine) -> None:
    """Raises EngineError `mode_not_supported` or `speaker_unknown`."""
    if order.mode not in engine.modes:
        raise EngineError(
            422,
            "mode_not_supported",
            "{} has no {} mode; it has: {}.".format(engine.kind, order.mode, ", ".join(engine.modes)),
        )
    if order.speaker and order.speaker not in engine.speakers:
        known = ", ".join(engine.speakers)
        raise EngineError(
            422, "speaker_unknown", "The model has no speaker {!r}; it has: {}.".format(order.speaker[:64], known)
        )


def find_upload(form: Form) -> Path:
    """The uploaded reference. Raises EngineError `field_missing`."""
    if "prompt_wav" not in form.files:
        hint = " as a file" if "prompt_wav" in form.fields else ""
        raise EngineError(
            422, "field_missing", "The file prompt_wav is missing{} (got: {}).".format(hint, form.names()[:300])
        )
    return form.files["prompt_wav"]
