"""One target under atheris: ``python -m tests.fuzz.one_target NAME [libFuzzer's arguments]``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import atheris

# Our own code, and the parsers below it.
PARSERS = [
    *("gateway", "module_utils", "library", "ansible.module_utils", "doctor", "cosyvoice_server"),
    *("python_multipart", "zipfile", "tarfile"),
]


def main() -> None:
    """Instrument our own code and the parsers below it, and fuzz until libFuzzer ends the process."""
    name, *arguments = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).parents[2] / "engine_patch"))
    with atheris.instrument_imports(include=PARSERS):
        target = import_module(f"tests.fuzz.targets.{name}")
    atheris.Setup([sys.argv[0], *arguments], target.one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
