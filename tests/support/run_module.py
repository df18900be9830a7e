"""One of the repository's Ansible modules: ``python -m tests.support.run_module NAME``.

Arguments as JSON on standard input, its answer on standard output.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

from ansible.module_utils.testing import patch_module_args

from tests.support.library_modules import add_module_utils

ROOT = Path(__file__).resolve().parents[2]


def main(name: str) -> None:
    """Run the module as its own program would."""
    add_module_utils()
    with patch_module_args(json.load(sys.stdin)):
        runpy.run_path(str(ROOT / "library" / f"{name}.py"), run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
