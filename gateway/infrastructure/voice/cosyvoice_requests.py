"""Requests to the CosyVoice engine: routes, form fields and the reference audio, see ``docs/engine-api.md``."""

from __future__ import annotations

from collections.abc import Mapping

import anyio.to_thread
from aiohttp import FormData

from gateway.domain.storage import storage_errors
from gateway.domain.voice.ports import Reference
from gateway.domain.voice.speech import SpeechMode, SpeechOrder
from gateway.domain.voice.voice import voice_not_found

ROUTES = {
    SpeechMode.ZERO_SHOT: "inference_zero_shot",
    SpeechMode.CROSS_LINGUAL: "inference_cross_lingual",
    SpeechMode.INSTRUCT: "inference_instruct2",
}


def fields_of(order: SpeechOrder, *, stream: bool) -> dict[str, str]:
    """The form of an order, without the voice."""
    # The model ignores speed while it streams: then the segments of the text are the pieces.
    stream = stream and order.speed == 1.0
    fields = {"tts_text": order.text, "stream": "true" if stream else "false", "speed": f"{order.speed:g}"}
    if order.mode is SpeechMode.ZERO_SHOT:
        fields["prompt_text"] = order.prompt_text
    if order.mode is SpeechMode.INSTRUCT:
        fields["instruct_text"] = order.instruct_text
    return fields


def with_audio(fields: Mapping[str, str], audio: bytes) -> FormData:
    """A form with the reference."""
    form = FormData(fields)
    form.add_field("prompt_wav", audio, filename="reference.wav", content_type="audio/wav")
    return form


async def read(reference: Reference) -> bytes:
    """The reference audio.

    Raises:
        GatewayError: ``voice_not_found``: the file is gone.
        StorageError: it can't be read.
    """
    try:
        with storage_errors():
            return await anyio.to_thread.run_sync(reference.path.read_bytes)
    except FileNotFoundError as error:
        raise voice_not_found() from error
