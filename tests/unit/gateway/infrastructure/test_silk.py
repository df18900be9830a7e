"""Voice messages of WeChat and QQ are decoded apart from the gateway, up to where they are damaged."""

from __future__ import annotations

import io
import random
import wave
from pathlib import Path

import numpy as np
import pysilk  # type: ignore[import-untyped]
import pytest

from gateway.infrastructure.sandbox import Bounds, Sandbox
from gateway.infrastructure.silk import decode_silk
from tests.support.recordings import RATE, person

BOUNDS = Bounds(wall_seconds=30, cpu_seconds=30, memory_bytes=2**30, file_bytes=10**8)


def message(*, tencent: bool = True, seconds: float = 5.0) -> bytes:
    samples = person()[: int(seconds * RATE)]
    target = io.BytesIO()
    pcm = io.BytesIO((samples * 32767).astype("<i2").tobytes())
    pysilk.encode(pcm, target, RATE, 24000, tencent=tencent)
    return target.getvalue()


async def decoded(content: bytes, folder: Path, *, seconds: float = 60.0, name: str = "voice.amr") -> np.ndarray | None:
    source, target = folder / name, folder / "out.wav"
    source.write_bytes(content)
    if not await decode_silk(Sandbox(1), source, target, seconds=seconds, bounds=BOUNDS):
        assert not target.exists()
        return None
    if not target.is_file():
        return np.zeros(0)
    with wave.open(str(target)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


@pytest.mark.parametrize("tencent", [True, False])
async def test_a_message_is_heard_whole(tmp_path: Path, tencent: bool) -> None:
    samples = await decoded(message(tencent=tencent), tmp_path)
    assert samples is not None
    assert len(samples) / 24000 == pytest.approx(5.0, abs=0.1)
    assert np.abs(samples.astype(np.int32)).max() > 5000


async def test_the_end_mark_of_other_encoders_ends_it(tmp_path: Path) -> None:
    samples = await decoded(message(tencent=False) + b"\xff\xff", tmp_path)
    assert samples is not None
    assert len(samples) / 24000 == pytest.approx(5.0, abs=0.1)


async def test_a_truncated_message_is_heard_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = message()
    samples = await decoded(whole[: len(whole) // 2], tmp_path)
    assert samples is not None
    assert 1.5 < len(samples) / 24000 < 3.5


async def test_no_more_is_decoded_than_wanted(tmp_path: Path) -> None:
    samples = await decoded(message(), tmp_path, seconds=2.0)
    assert samples is not None
    assert len(samples) / 24000 == pytest.approx(2.0, abs=0.05)


async def test_other_files_are_left_alone(tmp_path: Path) -> None:
    for content in (b"", b"#!AMR\n" + bytes(100), b"RIFF", b"SILK"):
        assert await decoded(content, tmp_path) is None


async def test_damaged_messages_harm_nobody(tmp_path: Path) -> None:
    generator, whole = random.Random(1), message(seconds=1.0)
    for number in range(8):
        bad = bytearray(whole)
        for _ in range(40):
            bad[generator.randrange(10, len(bad))] = generator.randrange(256)
        await decoded(bytes(bad), tmp_path, name=f"{number}.silk")
        (tmp_path / "out.wav").unlink(missing_ok=True)
    for junk in (b"\x02#!SILK_V3", b"#!SILK_V3" + b"\xff\x7f" * 50, b"#!SILK_V3" + generator.randbytes(3000)):
        samples = await decoded(junk, tmp_path)
        assert samples is not None
        (tmp_path / "out.wav").unlink(missing_ok=True)
