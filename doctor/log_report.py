"""What a log that somebody sent in contains. Findings are what the text says: no host confirms or refutes them."""

from __future__ import annotations

from typing import Any, BinaryIO, Dict

from .catalogue import Catalogue
from .causes import fold
from .log_matcher import BLOCK, LogMatcher, Rules, reading_of
from .report import describe

SCHEMA = 1


def log_report(log: BinaryIO, catalogue: Catalogue, engine: str, source: str) -> Dict[str, Any]:
    """The known errors of ``engine`` in what ``log`` holds of ``source``, causes first. Line numbers count from 1."""
    rules = Rules.of(catalogue.select(engine, source), catalogue.benign, reading=reading_of(engine, source))
    matcher = LogMatcher(rules, number_lines=True)
    while True:
        block = log.read(BLOCK)
        if not block:
            break
        matcher.feed(block)
    findings = [{**describe(match), "lines": list(match.lines)} for match in fold(matcher.finish())]
    return {"schema": SCHEMA, "engine": engine, "source": source, "findings": findings}
