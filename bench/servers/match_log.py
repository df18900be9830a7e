"""The doctor's matcher on one log file: ``python -m bench.servers.match_log FILE`` prints the number of findings."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from doctor import catalogue
from doctor.log_matcher import BLOCK, LogMatcher, Rules

CATALOGUE = Path(__file__).resolve().parents[2] / "doctor" / "known_errors.yml"


def known() -> catalogue.Catalogue:
    """The doctor's catalogue."""
    return catalogue.parse(yaml.safe_load(CATALOGUE.read_text(encoding="utf-8")))


def main(path: str) -> int:
    """Match the file against the known errors of CosyVoice."""
    errors = known()
    matcher = LogMatcher(Rules.of(errors.select("cosyvoice", "log"), errors.benign))
    with Path(path).open("rb") as log:
        while block := log.read(BLOCK):
            matcher.feed(block)
    print(sum(match.count for match in matcher.finish()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
