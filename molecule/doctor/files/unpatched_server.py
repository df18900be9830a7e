"""A server as users have it: the prompt is read into a tensor, which newer CosyVoice packages can't use.

`PROMPT=path` makes it the other kind: the upload is stored, and deleted before the answer's stream has begun.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

ROOT = Path(__file__).resolve().parents[3]
sys.path += [str(ROOT), str(ROOT / "third_party" / "Matcha-TTS")]

import uvicorn  # noqa: E402
from cosyvoice.cli.cosyvoice import AutoModel  # noqa: E402
from cosyvoice.utils.file_utils import load_wav  # noqa: E402
from fastapi import FastAPI, Form, UploadFile  # noqa: E402
from fastapi.responses import StreamingResponse  # noqa: E402
from modelscope import snapshot_download  # noqa: E402

app = FastAPI()


def samples(speech):
    """The model's output as 16-bit sound."""
    for piece in speech:
        yield (piece["tts_speech"].numpy() * 32767).astype("int16").tobytes()


def prompt_of(upload):
    """What this kind of server hands to the model."""
    if os.environ.get("PROMPT") != "path":
        return load_wav(upload.file, 16000)
    with tempfile.NamedTemporaryFile(prefix="tmp", suffix=".wav") as stored:
        stored.write(upload.file.read())
        stored.flush()
        return stored.name


@app.post("/inference_zero_shot")
async def zero_shot(tts_text: Annotated[str, Form()], prompt_text: Annotated[str, Form()], prompt_wav: UploadFile):
    """Speak in the prompt's voice."""
    return StreamingResponse(samples(app.state.model.inference_zero_shot(tts_text, prompt_text, prompt_of(prompt_wav))))


@app.post("/inference_cross_lingual")
async def cross_lingual(tts_text: Annotated[str, Form()], prompt_wav: UploadFile):
    """Speak in the prompt's voice without its text."""
    return StreamingResponse(samples(app.state.model.inference_cross_lingual(tts_text, prompt_of(prompt_wav))))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=50000)
    parser.add_argument("--model_dir", default="iic/CosyVoice-300M")
    options = parser.parse_args()
    app.state.model = AutoModel(model_dir=snapshot_download(options.model_dir))
    uvicorn.run(app, host="0.0.0.0", port=options.port)  # noqa: S104 - the container's own network
