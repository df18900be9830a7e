"""``python -m doctor``: the program ``twinport-doctor`` from a checkout, with the catalogue as its authors write it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from . import cli


def read_catalogue(installation: Path) -> Any:
    """The catalogue beside the code, parsed. Raises InstallationError without PyYAML, which comes with Ansible."""
    try:
        import yaml  # noqa: PLC0415 - only a checkout has it
    except ImportError:
        raise cli.InstallationError("PyYAML is missing; on a host, run `twinport-doctor` instead") from None
    return yaml.safe_load(Path(__file__).with_name("known_errors.yml").read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(cli.main(read_catalogue=read_catalogue))
