"""The documents' tables of errors name each one that an entry can answer with, under its status."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.errors import ErrorKind
from gateway.domain.voice.engine import EngineStatus, SpeechEngineState, not_ready
from gateway.web.errors import STATUSES
from tests.support.front import settings
from tests.support.servers import ROOT

LOADED = "import gateway.web.{entry}.app, sys; print(*(m.__file__ for n, m in sys.modules.items() if 'gateway' in n))"


def sources(entry: str) -> list[Path]:
    """The modules that the entry is made of."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(entry=entry)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [Path(name) for name in done.stdout.split() if name.startswith(str(ROOT / "gateway"))]


def constant(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def errors_of(call: ast.Call) -> Iterator[tuple[int, str]]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if name == "GatewayError":
        code, kind = constant(call.args[0]), call.args[1]
        status: object = int(STATUSES[ErrorKind[kind.attr]]) if isinstance(kind, ast.Attribute) else None
    elif name == "HttpError":
        code, status = constant(call.args[0]), constant(call.args[1])
    elif name == "invalid_request":
        code, status = constant(named["code"]) if "code" in named else "invalid_request", 400
    else:
        return
    if isinstance(code, str) and isinstance(status, int):
        yield status, code


def is_errors_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "errors"


def errors(entry: str) -> set[tuple[int, str]]:
    """Status and code of each error that the entry's modules make; what no module of the entry calls does not count."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sources(entry)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    called = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    called |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and is_errors_module(node.value)}
    parts = [part for tree in trees for part in tree.body]
    alive = [part for part in parts if not isinstance(part, ast.FunctionDef) or part.name in called]
    calls = [node for part in alive for node in ast.walk(part) if isinstance(node, ast.Call)]
    return {error for call in calls for error in errors_of(call)}


def documented(document: str) -> set[tuple[int, str]]:
    """Status and code of each line of the table of errors."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", text, re.MULTILINE)
    return {(int(status), code) for status, codes in rows for code in re.findall(r"`([a-z_]+)`", codes)}


def errors_of_the_front() -> set[tuple[int, str]]:
    """HAProxy's own; its 502 leaves as a 503, and OpenAI's clients alone get a 429."""
    own = settings()
    answers = [*own["_front_errors"], *own["_front_refusals"].values()]
    return {(503 if answer["status"] == 502 else answer["status"], answer["code"]) for answer in answers} - {
        (429, "rate_limited")
    }


@pytest.mark.parametrize("entry", ["voice", "video"])
@pytest.mark.parametrize("language", ["", ".zh-CN"])
def test_every_error_is_documented(entry: str, language: str) -> None:
    known = errors(entry) | errors_of_the_front()
    if entry == "voice":
        known |= {
            (503, not_ready(SpeechEngineState(status)).code) for status in EngineStatus if status.value != "ready"
        }
    assert len(known) > 20
    assert known - documented(f"{entry}-api{language}.md") == set()
