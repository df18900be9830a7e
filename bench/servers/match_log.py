"""The doctor's matcher on one log file: ``python -m bench.servers.match_log CATALOGUE FILE``.

Prints the number of findings. The catalogue is JSON, as on a host.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from doctor import catalogue
from doctor.log_matcher import BLOCK, LogMatcher, Rules


def main(known: str, path: str) -> int:
    """Match the file against the known errors of CosyVoice."""
    errors = catalogue.parse(json.loads(Path(known).read_bytes()))
    matcher = LogMatcher(Rules.of(errors.select("cosyvoice", "log"), errors.benign))
    with Path(path).open("rb") as log:
        while block := log.read(BLOCK):
            matcher.feed(block)
    print(sum(match.count for match in matcher.finish()))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
