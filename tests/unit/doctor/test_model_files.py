"""A whole model has nothing wrong with it; each way to break one is named, and no file is read from end to end."""

from __future__ import annotations

import inspect
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from doctor import model_files
from doctor.model_files import damage


def checkpoint() -> bytes:
    """A file as torch.save makes it: a stored zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("llm/data.pkl", pickle.dumps({"a": 1}))
        archive.writestr("llm/data/0", b"\0" * 5000)
    return buffer.getvalue()


def varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def onnx() -> bytes:
    """An ONNX model's top level: version, producer, a graph."""
    graph = b"\x12\x03abc" * 900
    return b"\x08\x08" + b"\x12\x07pytorch" + b"\x3a" + varint(len(graph)) + graph


def safetensors() -> bytes:
    header = json.dumps({"__metadata__": {"format": "pt"}, "w": {"dtype": "F16", "data_offsets": [0, 64]}}).encode()
    return len(header).to_bytes(8, "little") + header + b"\0" * 64


WHOLE = {
    "cosyvoice2.yaml": b"llm: !new:cosyvoice.llm.llm.Qwen2LM\n",
    "llm.pt": checkpoint(),
    "flow.pt": checkpoint(),
    "hift.pt": pickle.dumps({"weights": 1}),
    "campplus.onnx": onnx(),
    "speech_tokenizer_v2.onnx": onnx(),
    "CosyVoice-BlankEN/model.safetensors": safetensors(),
    "CosyVoice-BlankEN/config.json": b'{"hidden_size": 896}',
    "configuration.json": b"{}",
    "README.md": b"",
    "asset/dingding.png": b"\x89PNG",
    "._____temp/llm.pt": b"under way",
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for name, content in WHOLE.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def test_a_whole_model_has_no_damage(model: Path) -> None:
    assert damage(str(model)) == []


@pytest.mark.parametrize("name", ["cosyvoice2.yaml", "llm.pt", "flow.pt", "hift.pt", "campplus.onnx"])
def test_a_missing_part_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    assert any("is missing" in phrase for phrase in damage(str(model)))


@pytest.mark.parametrize(
    "name",
    [
        "llm.pt",
        "flow.pt",
        "campplus.onnx",
        "speech_tokenizer_v2.onnx",
        "CosyVoice-BlankEN/model.safetensors",
        "CosyVoice-BlankEN/config.json",
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_part_that_is_cut_off_is_named(model: Path, name: str, share: float) -> None:
    content = WHOLE[name]
    (model / name).write_bytes(content[: int(len(content) * share)])
    assert [phrase for phrase in damage(str(model)) if phrase.startswith(f"{name} ")]


@pytest.mark.parametrize(
    "instead",
    [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        b"<!DOCTYPE html><html>404</html>",
        b"\0" * 4096,
    ],
)
@pytest.mark.parametrize("name", ["llm.pt", "campplus.onnx", "CosyVoice-BlankEN/model.safetensors"])
def test_something_else_under_a_parts_name_is_named(model: Path, name: str, instead: bytes) -> None:
    (model / name).write_bytes(instead)
    assert [phrase for phrase in damage(str(model)) if phrase.startswith(f"{name} ")]


def test_a_huge_file_is_not_read(model: Path) -> None:
    graph = 8 * 2**30
    with (model / "campplus.onnx").open("wb") as file:
        file.write(b"\x08\x08\x3a" + varint(graph))
        file.truncate(file.tell() + graph)
    assert damage(str(model)) == []
    os.truncate(model / "campplus.onnx", graph)
    assert damage(str(model)) == ["campplus.onnx is cut off or damaged"]


def test_it_runs_as_a_program_without_anything_else(model: Path) -> None:
    argv = [sys.executable, "-I", "-c", inspect.getsource(model_files), str(model), str(model / "none")]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {str(model): []}
    (model / "llm.pt").unlink()
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (3, {str(model): ["llm*.pt is missing"]})
