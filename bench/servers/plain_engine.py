"""The engine server with nothing added: FastAPI, a form, a temporary file, the model's chunks as they come.

What upstream's own ``server.py`` would be if it worked.
``python -m bench.servers.plain_engine --port P --model FOLDER``
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import uvicorn
from fastapi import FastAPI, File, Form, UploadFile
from fastapi.responses import StreamingResponse

STAND_IN = Path(__file__).resolve().parents[2] / "preview" / "cosyvoice_standin"


def _pcm(pieces: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    for piece in pieces:
        yield (piece["tts_speech"].numpy() * 2**15).astype(np.int16).tobytes()


def _cleaned(pieces: Iterator[bytes], file: Path) -> Iterator[bytes]:
    try:
        yield from pieces
    finally:
        file.unlink()


def create_app(model: Any) -> FastAPI:
    """The two routes that are compared."""
    app = FastAPI()

    @app.get("/")
    def up() -> str:
        return "ok"

    @app.post("/inference_sft")
    def sft(tts_text: Annotated[str, Form()], spk_id: Annotated[str, Form()]) -> StreamingResponse:
        return StreamingResponse(_pcm(model.inference_sft(tts_text, spk_id)))

    @app.post("/inference_cross_lingual")
    def cross_lingual(tts_text: Annotated[str, Form()], prompt_wav: Annotated[UploadFile, File()]) -> StreamingResponse:
        with tempfile.NamedTemporaryFile(suffix=".wav", delete=False) as file:
            file.write(prompt_wav.file.read())
        return StreamingResponse(_cleaned(_pcm(model.inference_cross_lingual(tts_text, file.name)), Path(file.name)))

    return app


def main() -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", required=True, help="a folder with cosyvoice.yaml")
    options = parser.parse_args()
    sys.path[:0] = [str(STAND_IN), str(STAND_IN / "matcha_tts")]
    from cosyvoice.cli.cosyvoice import AutoModel  # type: ignore[import-not-found]  # noqa: PLC0415 - on the path only now

    app = create_app(AutoModel(model_dir=options.model))
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
