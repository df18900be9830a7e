"""The gateway that a user would write in an afternoon: FastAPI, a blocking client, the whole answer collected first.

``python -m bench.servers.naive_gateway --port P --engine http://127.0.0.1:50000``
"""

from __future__ import annotations

import argparse
import sys

import requests
import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel


class Speech(BaseModel):
    """What the client sends."""

    text: str


def create_app(engine: str) -> FastAPI:
    """The one route."""
    app = FastAPI()

    @app.get("/")
    def up() -> str:
        return "ok"

    @app.post("/tts")
    def tts(speech: Speech) -> Response:
        fields = {"tts_text": speech.text, "voice_id": "ev_replay"}
        answer = requests.post(f"{engine}/inference_cross_lingual", data=fields, timeout=300)
        return Response(answer.content, media_type="application/octet-stream")

    return app


def main() -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--engine", required=True)
    options = parser.parse_args()
    uvicorn.run(create_app(options.engine), host="127.0.0.1", port=options.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
