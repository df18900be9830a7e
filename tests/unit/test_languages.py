"""Chinese sentences for users hold no English but names: of products, fields, headers, settings and formats."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHINESE = re.compile("[\u4e00-\u9fff]")
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]|[A-Za-z]")
# What has no Chinese name, or is written as it is typed.
NAMES = {
    "AAC",
    "API",
    "CORS",
    "CPU",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Duix",
    "GB",
    "GPU",
    "HDR",
    "HTTP",
    "IP",
    "JSON",
    "KB",
    "Key",
    "MB",
    "OpenAI",
    "POST",
    "Tus-Resumable",
    "Twinport",
    "UUID",
    "URL",
    "WAV",
    "WebSocket",
    "X-Device-ID",
    "audio",
    "code",
    "deflate",
    "device_id",
    "docs",
    "front_hosts",
    "gzip",
    "health",
    "http",
    "identity",
    "input.cancel",
    "input.done",
    "input.text",
    "json",
    "m4a",
    "mov",
    "mp3",
    "mp4",
    "multipart",
    "form-data",
    "prompt_text",
    "server.py",
    "session.close",
    "session.config",
    "speech",
    "true",
    "text",
    "tts",
    "type",
    "v1",
    "voice_id",
    "wav",
    "zero_shot",
    "zip",
    "TWINPORT_ALLOWED_HOSTS",
    "TWINPORT_CORS_ORIGINS",
    "false",
    "application",
    "AMR",
    "SILK",
    "CAF",
    "SSML",
    "break",
    "amr",
    "silk",
    "webm",
    "ogg",
    "flac",
}
# Dynamic parts that bring a number, a name of the client's or of ours, or Chinese of their own.
PARTS = re.compile(
    r"^(f'.*'|.*\.zh|.*_zh|zh|name|field|mode|code|voice!?r?|limit(_bytes)?|size|length|minimum|most|"
    r"offset|hours|retry_after|progress|reason or .*|speech_seconds|ahead \+ 1|MAX_[A-Z_]+|PIECE|"
    r"error\.status_code|.*seconds.*)$"
)


def sentences(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Line, constant text and dynamic parts of each Chinese sentence in a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
            parts = [ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            text, parts = re.sub(r"\{[a-z_]+\}", "", node.value), []
        else:
            continue
        if CHINESE.search(text):
            yield node.lineno, text, parts


def half_english(path: Path) -> Iterator[str]:
    for line, text, parts in sentences(path):
        strange = [word for word in WORD.findall(text) if word not in NAMES]
        unknown = [part for part in parts if not PARTS.match(part)]
        if strange or unknown:
            yield f"{path}:{line}: {text!r} has {strange + unknown}"


@pytest.mark.parametrize("folder", ["gateway/domain", "gateway/services", "gateway/infrastructure", "gateway/web"])
def test_chinese_sentences_are_chinese(folder: str) -> None:
    # What is read out to people is no sentence of ours.
    paths = [path for path in sorted((ROOT / folder).rglob("*.py")) if "spoken" not in path.parts]
    found = [line for path in paths for line in half_english(path)]
    assert not found, "\n".join(found)


def test_a_half_english_sentence_is_found(tmp_path: Path) -> None:
    module = tmp_path / "m.py"
    module.write_text(
        'a = "请求无效：Field required"\nb = f"参数 {problem[\'msg\']} 无效"\nc = f"参数 {field} 无效：应为 JSON。"\n',
        encoding="utf-8",
    )
    assert [found.removeprefix(str(module)) for found in half_english(module)] == [
        ":1: '请求无效：Field required' has ['Field', 'required']",
        """:2: '参数  无效' has ["problem['msg']"]""",
    ]
