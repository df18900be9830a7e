"""What clients with a wrong base address mean."""

import pytest

from gateway.web.caller import device_of
from gateway.web.voice.addresses import meant_paths

SPEECH = "/v1/audio/speech"
MEANT = {
    "/audio/speech": SPEECH,
    "//v1/audio/speech": SPEECH,
    "/v1//audio/speech": SPEECH,
    "/v1/v1/audio/speech": SPEECH,
    "/v1/audio/speech/": SPEECH,
    "/v1/audio/speech/audio/speech": SPEECH,
    "/v1/audio/audio/speech": SPEECH,
    "/api/v1/audio/speech": SPEECH,
    "/openai/audio/speech": SPEECH,
    "/v2/audio/speech": SPEECH,
    "/v1/tts/audio/speech": SPEECH,
    "/audio/voices": "/v1/audio/voices",
    "/audio/models": "/v1/audio/models",
    "/models": "/v1/models",
    "/models/tts-1": "/v1/models/tts-1",
    "/v1/v1/models": "/v1/models",
    "/v1/audio/speech/models": "/v1/models",
    "/audio/speech/stream": "/v1/audio/speech/stream",
    "/v1/tts/": "/v1/tts",
    "//health": "/health",
}


def meant(path: str) -> tuple[list[str], str]:
    scope = {"type": "http", "path": path, "raw_path": path.encode()}
    return list(meant_paths(scope)), device_of(scope)


@pytest.mark.parametrize(("asked", "found"), MEANT.items())
def test_the_right_address_is_found(asked: str, found: str) -> None:
    assert found in meant(asked)[0]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/audio/transcriptions", "/tts", "/x/models", "/speech"])
def test_nothing_else_is_guessed(path: str) -> None:
    assert meant(path) == ([path], "")


@pytest.mark.parametrize(
    ("path", "device"),
    [
        ("/device/my-computer/v1/audio/speech", "my-computer"),
        ("/device/my-computer/audio/speech", "my-computer"),
        ("//device/my-computer/v1/v1/audio/speech/", "my-computer"),
        ("/device/%E5%AE%A2%E6%88%B7%E7%AB%AF%201/v1/audio/speech", "客户端 1"),
        ("/device/a%2Fb/v1/audio/speech", "a/b"),
    ],
)
def test_a_path_may_name_the_device(path: str, device: str) -> None:
    found, named = meant(path)
    assert SPEECH in found
    assert named == device
