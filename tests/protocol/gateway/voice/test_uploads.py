"""Voice messages, memos and live recordings become voices; what can't be read is named, in both languages."""

from __future__ import annotations

import pytest
import requests

from tests.support.uploads import UNREADABLE, UPLOADS
from tests.support.voice import VoiceBench

QUICK = ("silk of WeChat", "amr", "live webm")


@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in UPLOADS]
)
def test_what_phones_and_chats_send_becomes_a_voice(bench: VoiceBench, kind: str) -> None:
    voice = bench.train(UPLOADS[kind](), name=kind)
    assert voice["status"] == "ready", voice
    assert voice["reference"]["speechSeconds"] > (6 if "truncated" in kind else 11)


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_can_not_be_read_is_named(bench: VoiceBench, kind: str) -> None:
    make, words = UNREADABLE[kind]
    voice = bench.train(make(), name=kind)
    assert (voice["status"], voice["code"]) == ("failed", "reference_not_audio")
    assert any("\u4e00" <= character <= "\u9fff" for character in voice["error"])
    url, query = f"{bench.url}/v1/voices/{voice['id']}", {"device_id": "device-1"}
    english = requests.get(url, params=query, headers={"Accept-Language": "en"}, timeout=10).json()["data"]["error"]
    assert words in english
