"""Recordings of every kind become references; what is no recording fails with a sentence and harms nobody."""

import io
import json
import random
import struct
import subprocess
import tracemalloc
import wave
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from gateway.domain.errors import GatewayError
from gateway.infrastructure.voice.archive import read_archive
from gateway.web.errors import status_of
from tests.support.voice import VoiceBench, converted, spoken_wav, voice_bench

GOOD = {
    "8-bit wav": ("-c:a", "pcm_u8", "-f", "wav"),
    "24-bit 96 kHz wav": ("-c:a", "pcm_s24le", "-ar", "96000", "-f", "wav"),
    "float wav": ("-c:a", "pcm_f32le", "-f", "wav"),
    "six channels": ("-ac", "6", "-f", "wav"),
    "µ-law at 8 kHz": ("-c:a", "pcm_mulaw", "-ar", "8000", "-f", "wav"),
    "adpcm": ("-c:a", "adpcm_ms", "-f", "wav"),
    "mp3": ("-ar", "44100", "-f", "mp3"),
    "m4a with its index at the end": ("-c:a", "aac", "-f", "mp4"),
    "ogg opus": ("-c:a", "libopus", "-ar", "48000", "-f", "ogg"),
    "ogg vorbis": ("-c:a", "libvorbis", "-f", "ogg"),
    "webm": ("-c:a", "libopus", "-ar", "48000", "-f", "webm"),
    "flac": ("-f", "flac"),
    "raw aac": ("-c:a", "aac", "-f", "adts"),
    "wma": ("-c:a", "wmav2", "-f", "asf"),
    "aiff": ("-f", "aiff"),
    "caf": ("-f", "caf"),
    "amr": ("-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1", "-f", "amr"),
}


def recording(*arguments: str) -> bytes:
    """Speech in a format that may need a file that ffmpeg can seek in."""
    if arguments[-1] in ("mp4", "wav", "caf", "aiff", "flac"):
        target = Path("/dev/shm") / f"recording-{abs(hash(arguments))}"  # noqa: S108 - a file of the test's own
        command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", "pipe:0", *arguments, str(target)]
        try:
            subprocess.run(command, input=spoken_wav(), check=True)
            return target.read_bytes()
        finally:
            target.unlink(missing_ok=True)
    return converted(spoken_wav(), *arguments)


def has_encoder(arguments: tuple[str, ...]) -> bool:
    known = subprocess.run(["ffmpeg", "-v", "error", "-encoders"], check=True, capture_output=True, text=True).stdout
    return "-c:a" not in arguments or arguments[arguments.index("-c:a") + 1] in known


def heard(bench: VoiceBench, voice_id: str) -> tuple[wave._wave_params, np.ndarray]:
    """What the engine hears of a voice."""
    url = f"{bench.url}/v1/voices/{voice_id}/audio"
    content = requests.get(url, params={"device_id": "device-1"}, timeout=10).content
    with wave.open(io.BytesIO(content)) as file:
        return file.getparams(), np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


QUICK = ("float wav", "mp3", "m4a with its index at the end", "webm")


def kinds() -> list[object]:
    """All formats that this ffmpeg can write; the most common ones also in the quick run."""
    known = [kind for kind, arguments in GOOD.items() if has_encoder(arguments)]
    return [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in known]


@pytest.mark.parametrize("kind", kinds())
def test_every_format_becomes_16_khz_mono(bench: VoiceBench, kind: str) -> None:
    voice = bench.train(recording(*GOOD[kind]), name=kind)
    assert voice["status"] == "ready", voice
    parameters, samples = heard(bench, voice["id"])
    assert (parameters.nchannels, parameters.sampwidth, parameters.framerate) == (1, 2, 16000)
    assert 8 < len(samples) / 16000 < 15
    assert voice["reference"]["speechSeconds"] > 6


def test_a_video_gives_its_sound(bench: VoiceBench, tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    source = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=11"]
    command = ["ffmpeg", "-v", "error", *source, "-i", "pipe:0", "-c:a", "aac", "-shortest", str(video)]
    subprocess.run(command, input=spoken_wav(), check=True)
    assert bench.train(video.read_bytes(), name="video")["status"] == "ready"


@pytest.mark.parametrize("size", [0, 1, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_lying_data_size_costs_nothing(bench: VoiceBench, size: int) -> None:
    wav = bytearray(recording("-fflags", "+bitexact", "-f", "wav"))
    at = wav.index(b"data") + 4
    wav[at : at + 4] = struct.pack("<I", size)
    voice = bench.train(bytes(wav), name=f"data size {size}")
    # One byte of data is believed by some decoders; then the reason is given.
    assert voice["status"] == "ready" or (size == 1 and voice["code"] in ("reference_not_audio", "reference_too_short"))


def test_long_recordings_are_reduced_and_short_ones_kept_whole(bench: VoiceBench) -> None:
    long = bench.train(converted(spoken_wav(), "-af", "aloop=loop=8:size=2e6", "-t", "90", "-f", "mp3"), name="long")
    assert long["status"] == "ready"
    assert long["reference"]["cut"] is True
    assert 25 < long["reference"]["speechSeconds"] <= 30
    _, samples = heard(bench, long["id"])
    assert len(samples) / 16000 <= 30
    short = bench.train(spoken_wav(), name="short")
    assert short["reference"]["cut"] is False


def noise(seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.random.default_rng(3).integers(-3000, 3000, int(seconds * 16000), dtype="<i2").tobytes())
    return buffer.getvalue()


def silent_wav(seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(int(seconds * 16000) * 2))
    return buffer.getvalue()


BAD = {
    "text": (b"just some text\n" * 100, "reference_not_audio"),
    "random bytes": (np.random.default_rng(5).bytes(50_000), "reference_not_audio"),
    "header only": (spoken_wav()[:44], "reference_not_audio"),
    "a png": (b"\x89PNG\r\n\x1a\n" + bytes(1000), "reference_not_audio"),
    "silence": (silent_wav(10), "reference_silent"),
    "two seconds": (noise(2), "reference_too_short"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_recording_fails_with_a_reason(bench: VoiceBench, kind: str) -> None:
    content, code = BAD[kind]
    voice = bench.train(content, name=kind)
    assert (voice["status"], voice["code"]) == ("failed", code)
    assert any("\u4e00" <= character <= "\u9fff" for character in voice["error"])
    spoken = bench.tts(voice["id"], "hello")
    assert (spoken.status_code, spoken.json()["code"]) == (409, "voice_failed")
    assert voice["error"] in spoken.json()["message"]


def test_an_empty_recording_is_refused_at_once(bench: VoiceBench) -> None:
    answer = bench.upload(b"", name="empty")
    assert (answer.status_code, answer.json()["code"]) == (422, "reference_not_audio")


def test_another_devices_reference_is_never_read(bench: VoiceBench, voice: str) -> None:
    """Playlists in all their forms, each pointing at files that exist: none may turn into a voice."""
    secret = bench.data() / "voices" / voice / "reference.wav"
    assert secret.exists()
    playlists = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n",
        "hls with scheme": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{secret}'\n",
        "relative ffconcat": f"ffconcat version 1.0\nfile ../../voices/{voice}/reference.wav\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT10S"><Period><AdaptationSet mimeType="audio/wav"><Representation id="1" '
        f'bandwidth="1"><BaseURL>{secret}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "m3u8 behind a wav header": "RIFF\x00\x00\x00\x00WAVE#EXTM3U\n" + str(secret),
        "sami": f"<SAMI><BODY><SYNC Start=0><P>{secret}</BODY></SAMI>",
        "image sequence": str(secret.parent) + "/%d.wav",
    }
    for kind, text in playlists.items():
        voice_made = bench.train(text.encode(), name=kind)
        assert (voice_made["status"], voice_made["code"]) == ("failed", "reference_not_audio"), kind


def flac_of_silence(hours: float) -> bytes:
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"anullsrc=r=8000:cl=mono:d={hours * 3600}"]
    return subprocess.run([*command, "-f", "flac", "pipe:1"], check=True, capture_output=True).stdout


def deep_mp4(depth: int) -> bytes:
    box = b""
    for _ in range(depth):
        box = struct.pack(">I4s", len(box) + 8, b"moov") + box
    return struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + box


def endless_ogg(pages: int) -> bytes:
    """Opus pages whose positions lie about many years of sound."""
    ogg = bytearray(converted(spoken_wav(), "-c:a", "libopus", "-ar", "48000", "-f", "ogg"))
    page = ogg[ogg.rindex(b"OggS") :]
    struct.pack_into("<q", page, 6, 2**62)
    return bytes(ogg) + bytes(page) * pages


HOSTILE = {
    "ten hours of silence in a small flac": lambda: flac_of_silence(10),
    "deep mp4 atoms": lambda: deep_mp4(20_000),
    "endless ogg": lambda: endless_ogg(2000),
    "zip bomb named wav": lambda: b"RIFF" + zlib.compress(bytes(10**7)) * 50,
    "wav with absurd numbers": lambda: (
        spoken_wav()[:22] + struct.pack("<HIIHH", 65535, 0xFFFFFFFF, 0xFFFFFFFF, 65535, 65535) + spoken_wav()[36:]
    ),
    "tiny wav of huge rate": lambda: spoken_wav()[:24] + struct.pack("<I", 2**31 - 1) + spoken_wav()[28:],
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_cost_little_and_leave_nothing(bench: VoiceBench, kind: str) -> None:
    voice = bench.train(HOSTILE[kind](), name=kind)
    assert voice["status"] in ("ready", "failed")
    assert requests.get(bench.url + "/health", timeout=5).json()["message"] == "ok"
    assert list((bench.data() / "incoming").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("fraction", [0.001, 0.01, 0.1, 0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["mp3", "ogg opus", "flac", "float wav", "m4a with its index at the end"])
def test_truncated_at_any_byte_it_is_used_or_explained(bench: VoiceBench, kind: str, fraction: float) -> None:
    whole = recording(*GOOD[kind])
    voice = bench.train(whole[: int(len(whole) * fraction)], name=f"{kind} {fraction}")
    assert voice["status"] == "ready" or voice["code"].startswith("reference_"), voice


def test_an_export_is_accepted_elsewhere(bench: VoiceBench) -> None:
    first = bench.train(spoken_wav(), name="搬家 1", prompt_text="What I said.")
    url = f"{bench.url}/v1/voices/{first['id']}/export"
    archive = requests.get(url, params={"device_id": "device-1"}, timeout=10)
    assert archive.headers["Content-Type"] == "application/zip"
    head = requests.head(url, params={"device_id": "device-1"}, timeout=10)
    assert int(head.headers["Content-Length"]) == len(archive.content)

    def bring(content: bytes, **fields: str) -> requests.Response:
        data = {"device_id": "new-device", **fields}
        return requests.post(bench.url + "/v1/voices/import", data=data, files={"archive": content}, timeout=30)

    made = bench.finished(bring(archive.content).json()["data"]["voiceId"], device="new-device")
    assert (made["status"], made["name"], made["promptText"]) == ("ready", "搬家 1", "What I said.")
    assert made["id"] != first["id"]
    renamed = bench.finished(bring(archive.content, name="other").json()["data"]["voiceId"], device="new-device")
    assert renamed["name"] == "other"

    damaged = bytearray(archive.content)
    damaged[200] ^= 0xFF
    for bad in (bytes(damaged), archive.content[:-100], b"PK\x05\x06" + bytes(18), b"not a zip", bomb(), escaping()):
        answer = bring(bad)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_archive")


def test_a_full_disk_does_not_keep_voices_from_leaving(tmp_path: Path) -> None:
    with voice_bench(tmp_path) as bench:
        voice = bench.train(spoken_wav())
        bench.gateway.environment["TWINPORT_MIN_FREE_BYTES"] = str(10**15)
        bench.gateway.stop()
        bench.gateway.restart()
        assert bench.upload(spoken_wav()).status_code == 507
        url = f"{bench.url}/v1/voices/{voice['id']}/export"
        archive = requests.get(url, params={"device_id": "device-1"}, timeout=10)
    with zipfile.ZipFile(io.BytesIO(archive.content)) as members:
        assert members.testzip() is None
        assert members.read("upload") == spoken_wav()


def imported(bench: VoiceBench, content: bytes) -> requests.Response:
    """What the entry says to an archive."""
    url = bench.url + "/v1/voices/import"
    return requests.post(url, data={"device_id": "importer"}, files={"archive": content}, timeout=30)


def archive_of(upload: bytes = b"", *, method: int = zipfile.ZIP_STORED, more: int = 0, **record: Any) -> bytes:
    """An archive such as an export makes, with so many further members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("voice.json", json.dumps({"format": "twinport-voice", "version": 1, "name": "x", **record}))
        archive.writestr("upload", upload or spoken_wav())
        for number in range(more):
            archive.writestr(f"more/{number}", b"")
    return buffer.getvalue()


def test_an_archive_claims_no_more_than_ours_do(bench: VoiceBench) -> None:
    for content in (
        archive_of(more=15),
        archive_of(more=70_000),  # its directory is that of a large file
        archive_of(method=zipfile.ZIP_LZMA),
        archive_of(method=zipfile.ZIP_BZIP2),
    ):
        answer = imported(bench, content)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_archive")


def test_a_large_directory_is_not_read(tmp_path: Path) -> None:
    source = tmp_path / "archive.zip"
    source.write_bytes(archive_of(more=70_000))
    tracemalloc.start()
    try:
        with pytest.raises(GatewayError, match="invalid_archive"):
            read_archive(source, tmp_path / "upload", most_bytes=10**9, reserve=0)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_hostile_prompt_texts_of_an_archive_are_cleaned(bench: VoiceBench) -> None:
    for number, (given, kept) in enumerate({"\ud800": "", "a\ud800b\x00c": "ab c", "…!": ""}.items()):
        answer = imported(bench, archive_of(prompt_text=given, name=f"prompt {number}"))
        assert answer.status_code == 200, answer.text
        voice = bench.finished(answer.json()["data"]["voiceId"], device="importer")
        assert voice["promptText"] == kept


@pytest.mark.slow
def test_a_damaged_archive_is_a_400_or_a_voice(tmp_path: Path) -> None:
    """Whatever bits are wrong, it is found out in time and said."""
    generator = random.Random(5)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        good = archive_of(b"a recording" * 100, method=method, prompt_text="Hello.")
        for number in range(3000):
            bad = bytearray(good)
            for _ in range(generator.randint(1, 4)):
                # The end is where the structure is.
                at = generator.choice([generator.randrange(len(bad)), len(bad) - 1 - generator.randrange(140)])
                bad[at] = generator.choice([generator.randrange(256), bad[at] ^ (1 << generator.randrange(8)), 0xFF])
            source, target = tmp_path / "archive.zip", tmp_path / f"{method}-{number}"
            source.write_bytes(bad)
            try:
                read_archive(source, target, most_bytes=10**6, reserve=0)
            except GatewayError as refusal:
                assert (status_of(refusal), refusal.code) in {(400, "invalid_archive"), (413, "body_too_large")}
            target.unlink(missing_ok=True)


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("voice.json", b'{"format": "twinport-voice", "x": "' + bytes(50_000_000) + b'"}')
    return buffer.getvalue()


def escaping() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../escaped", b"x")
        archive.writestr("voice.json", json.dumps({"format": "twinport-voice", "version": 1, "name": "x"}))
    return buffer.getvalue()


def test_renaming_and_deleting(bench: VoiceBench) -> None:
    voice_id = bench.ready_voice(name="old name", device="managed")
    base = f"{bench.url}/v1/voices/{voice_id}"
    renamed = requests.patch(base, json={"device_id": "managed", "name": " new name "}, timeout=10).json()["data"]
    assert renamed["name"] == "new name"
    file = bench.url + bench.tts(voice_id, "soon gone", device="managed").json()["data"]["audioUrl"]
    assert requests.get(file, timeout=10).status_code == 200
    assert requests.delete(base, params={"device_id": "managed"}, timeout=10).json()["data"]["deleted"] is True
    assert requests.get(base, params={"device_id": "managed"}, timeout=10).status_code == 404
    assert requests.get(file, timeout=10).status_code == 404
    assert not (bench.data() / "voices" / voice_id).exists()
