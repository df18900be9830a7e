"""A log of any content: read without a fault, the same however it is cut, and no quoted word is evidence."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

import yaml

from cosyvoice_server.log import LineFormatter
from doctor.catalogue import parse
from doctor.causes import fold
from doctor.log_matcher import ENGINE_LOG, GATEWAY_LOG, TEXT, LogMatcher, Rules, match_text
from doctor.log_text import LONGEST_EVIDENCE

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = parse(yaml.safe_load((ROOT / "doctor" / "known_errors.yml").read_text("utf-8")))
RULES = {
    reading: Rules.of(CATALOGUE.errors, CATALOGUE.benign, reading=reading)
    for reading in (TEXT, ENGINE_LOG, GATEWAY_LOG)
}
FORMATTER = LineFormatter()


def one_input(data: bytes) -> None:
    """The first byte is the length of a piece; the rest is a log, and also the words of a request."""
    if len(data) < 2:
        return
    size, log = data[0] + 1, data[1:]
    for rules in RULES.values():
        whole = match_text(log, rules)
        assert all(len(match.evidence) <= LONGEST_EVIDENCE and match.evidence.isprintable() for match in whole)
        assert fed(rules, (log[start : start + size] for start in range(0, len(log), size))) == whole
    words = log.decode("utf-8", "replace")
    assert match_text(gateway_line(words), RULES[GATEWAY_LOG]) == []
    assert match_text(engine_line(words), RULES[ENGINE_LOG]) == []


def fed(rules: Rules, pieces: Iterable[bytes]) -> object:
    """The matches in a log that comes in pieces."""
    matcher = LogMatcher(rules)
    for piece in pieces:
        matcher.feed(piece)
    return fold(matcher.finish())


def gateway_line(words: str) -> bytes:
    """A request with these words in every place that a client fills in."""
    line = {"event": "request", "level": "warning", "logger": "gateway.request", "path": words, "code": words}
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def engine_line(words: str) -> bytes:
    """The engine's line of a request for such a path."""
    record = logging.LogRecord("server", logging.INFO, __file__, 1, "request=1 GET %s status=200", (words,), None)
    return FORMATTER.format(record).encode("utf-8", "replace") + b"\n"
