"""A reference as the engine's server gets it: a plain WAV afterwards, or a refusal with a code."""

from __future__ import annotations

import tempfile
import wave
from pathlib import Path

from cosyvoice_server.errors import EngineError
from cosyvoice_server.reference import prepare_reference
from cosyvoice_server.settings import Settings

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-reference-"))
SETTINGS = Settings.from_environment({}, prompt_min_seconds=0.001)


def one_input(data: bytes) -> None:
    """Prepare any bytes."""
    upload, target = FOLDER / "upload", FOLDER / "target.wav"
    upload.write_bytes(data)
    target.unlink(missing_ok=True)
    try:
        made = prepare_reference(upload, target, SETTINGS)
    except EngineError as error:
        assert error.status == 422
        return
    with wave.open(str(made.path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, made.sample_rate)
        assert abs(file.getnframes() / made.sample_rate - made.duration) < 0.001
        assert len(file.readframes(file.getnframes())) == 2 * file.getnframes()
