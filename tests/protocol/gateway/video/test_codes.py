"""A code is one request: repeated, it is the same task; with other inputs it is another one, or a clear refusal."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.support.video import SECONDS, Client, VideoBench, make_speech, video_bench


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One second, and three."""
    folder = tmp_path_factory.mktemp("sounds")
    return make_speech(folder / "short.wav"), make_speech(folder / "long.wav", seconds=3.0)


def unique(ending: str) -> str:
    return uuid.uuid4().hex + ending


def submitted(client: Client, audio: str, video: str, code: str, **more: object) -> tuple[int, str]:
    request = {"audio_url": audio, "video_url": video, "code": code, **more}
    answer = requests.post(client.url + "/easy/submit", json=request, headers=client.headers, timeout=30)
    return answer.status_code, str(answer.json()["code"])


def test_after_a_failure_the_corrected_input_is_another_request(
    bench: VideoBench, clip: Path, sounds: tuple[Path, Path], tmp_path: Path
) -> None:
    client, code, name = bench.client, unique(""), unique(".wav")
    broken = tmp_path / "bad.wav"
    broken.write_text("<html>404</html>")
    video = client.upload("video", clip, unique(".mp4"))
    client.submit(client.upload("audio", broken, name), video, code)
    assert client.outcome(code)["status"] == 3
    client.submit(f"/code/data/{name}", video, code)  # the client's own repeat
    assert client.outcome(code)["error"] == "format_unknown"
    client.submit(client.upload("audio", sounds[0], name), video, code)
    assert client.outcome(code)["status"] == 2
    assert client.download(f"/{code}-r.mp4", tmp_path / "out.mp4").status_code == 200


def test_after_a_video_other_inputs_make_another_one(
    bench: VideoBench, clip: Path, sounds: tuple[Path, Path], tmp_path: Path
) -> None:
    client, code, name = bench.client, unique(""), unique(".wav")
    video = client.upload("video", clip, unique(".mp4"))
    client.submit(client.upload("audio", sounds[0], name), video, code)
    assert client.outcome(code)["video_duration"] < 1500
    first = client.download(f"/{code}-r.mp4", tmp_path / "1.mp4").content
    path = client.upload("audio", sounds[1], name)  # replaced under its name
    client.submit(path, video, code)
    seen = client.query(code)["data"]
    assert (seen["status"], seen["result"]) == (1, "") or seen["video_duration"] > 2500
    assert client.outcome(code)["video_duration"] > 2500
    second = client.download(f"/{code}-r.mp4", tmp_path / "2.mp4").content
    assert second != first
    client.submit(path, video, code, chaofen=1)  # other fields
    assert client.outcome(code)["status"] == 2
    assert bench.renders(code) == 3


def test_the_same_request_in_other_words_is_the_same_task(
    bench: VideoBench, clip: Path, sounds: tuple[Path, Path]
) -> None:
    client, code, name = bench.client, unique(""), unique(" 声.wav")
    audio, video = client.upload("audio", sounds[0], name), client.upload("video", clip, unique(".mp4"))
    client.submit(audio, video, code)
    for again in (audio, quote(audio), name):
        assert submitted(client, again, video, code) == (200, "10000")  # without the fields' defaults
    assert client.outcome(code)["status"] == 2
    assert client.upload("audio", sounds[0], name) == audio  # uploaded again, unchanged
    other = client.upload("audio", sounds[0], unique(".wav"))  # the same content under another name
    for again in (audio, quote(audio), other):
        assert submitted(client, again, video, code, pn=1) == (200, "10000")
        assert client.query(code)["data"]["status"] == 2
    for gone in (audio, other):
        (bench.media / gone.removeprefix("/code/data/")).unlink()
    assert submitted(client, audio, video, code) == (200, "10000")
    assert client.query(code)["data"]["status"] == 2
    assert bench.renders(code) == 1


def test_while_a_task_waits_or_runs_another_request_is_refused(
    tmp_path: Path, clip: Path, sounds: tuple[Path, Path]
) -> None:
    with video_bench(tmp_path, "--pace", "4") as bench:
        client = bench.client
        video = client.upload("video", clip)
        short, long = (client.upload("audio", sound) for sound in sounds)
        client.submit(short, video, "first")
        client.submit(long, video, "second")
        for code, other in (("first", long), ("second", short)):
            assert submitted(client, other, video, code) == (409, "code_reused")
        assert submitted(client, short, video, "first") == (200, "10000")
        requests.delete(client.url + "/easy/task/second", timeout=10)
        assert submitted(client, long, video, "second") == (200, "10000")
        assert client.query("second")["data"]["error"] == "cancelled"
        assert submitted(client, short, video, "second") == (200, "10000")  # another one
        assert client.query("second")["data"]["status"] == 1
        deadline = time.monotonic() + SECONDS
        while not client.query("first")["data"]["progress"]:
            assert time.monotonic() < deadline, "the engine did not begin"
            time.sleep(0.05)
        requests.delete(client.url + "/easy/task/first", timeout=10)
        # The engine still works on it.
        assert submitted(client, long, video, "first") == (409, "code_reused")
        assert client.outcome("second")["video_duration"] < 1500
        assert submitted(client, long, video, "first") == (200, "10000")
        assert client.outcome("first")["video_duration"] > 2500


def test_racing_submits_become_one_task(bench: VideoBench, clip: Path, sounds: tuple[Path, Path]) -> None:
    client, code = bench.client, unique("")
    video = client.upload("video", clip, unique(".mp4"))
    audios = [client.upload("audio", sound, unique(".wav")) for sound in sounds]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda at: submitted(client, audios[at % 2], video, code), range(8)))
    assert set(answers) == {(200, "10000"), (409, "code_reused")}
    winner = answers.index((200, "10000")) % 2
    assert [answer[0] for answer in answers] == [200 if at % 2 == winner else 409 for at in range(8)]
    assert (client.outcome(code)["video_duration"] > 2000) == (winner == 1)
    assert bench.renders(code) == 1


def test_a_used_code_works_across_restarts(tmp_path: Path, clip: Path, sounds: tuple[Path, Path]) -> None:
    with video_bench(tmp_path) as bench:
        client = bench.client
        video = client.upload("video", clip)
        short, long = (client.upload("audio", sound) for sound in sounds)
        client.submit(short, video, "code")
        assert client.outcome("code")["status"] == 2
        bench.gateway.kill()
        bench.gateway.restart()
        client.submit(short, video, "code")
        assert bench.renders("code") == 1
        client.submit(long, video, "code")
        bench.gateway.kill()
        bench.gateway.restart()
        client.submit(long, video, "code")
        assert client.outcome("code")["video_duration"] > 2500
        assert bench.renders("code") in (2, 3)
        page = requests.get(client.url + "/easy/tasks", timeout=10).json()["data"]
        assert [task["code"] for task in page] == ["code"]


def test_an_expired_video_is_made_again(tmp_path: Path, clip: Path, sounds: tuple[Path, Path]) -> None:
    with video_bench(tmp_path) as bench:
        client = bench.client
        inputs = client.upload("audio", sounds[0]), client.upload("video", clip)
        code = client.submit(*inputs)
        assert client.outcome(code)["status"] == 2
        (bench.media / "outputs" / f"{code}-r.mp4").unlink()
        assert client.query(code)["data"]["error"] == "expired"
        client.submit(*inputs, code)
        assert client.outcome(code)["status"] == 2


def test_nobody_takes_the_code_of_another_key(tmp_path: Path, clip: Path, sounds: tuple[Path, Path]) -> None:
    keys = tmp_path / "keys"
    keys.write_text("anna\nben\n", encoding="utf-8")
    with video_bench(tmp_path, api_keys_file=keys, admin_api_key="boss") as bench:
        anna, ben, boss = (Client(bench.client.url, {"X-API-Key": key}) for key in ("anna", "ben", "boss"))
        inputs = anna.upload("audio", sounds[0]), anna.upload("video", clip)
        code = anna.submit(*inputs)
        assert anna.outcome(code)["status"] == 2
        for other in (ben, boss):
            own = other.upload("audio", sounds[1], "own.wav"), other.upload("video", clip, "own.mp4")
            assert submitted(other, *own, code) == (409, "code_in_use")
        assert submitted(boss, *inputs, code) == (200, "10000")
        assert anna.query(code)["data"]["video_duration"] < 1500
