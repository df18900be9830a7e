# SPDX-License-Identifier: Apache-2.0
"""The files of this machine's Python that a small program with ctypes needs, to carry them into an empty container."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Callable, Dict, Iterable

# What ctypes needs at its import, and the interpreter before that.
_PACKAGES = ("collections", "ctypes", "encodings", "importlib", "re")
_EXTENSIONS = ("_ctypes", "_struct")


def python_files(libraries: Callable[[str], Iterable[str]]) -> Dict[str, str]:
    """Files to copy, by their place in the container; empty where this Python has no ctypes.

    Args:
        libraries: of a program or a shared object, as the loader finds them.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    extensions = folder / "lib-dynload"
    # Some distributions build one or the other into the interpreter.
    binaries = [sys.executable, *(str(path) for name in _EXTENSIONS for path in extensions.glob(name + ".*.so"))]
    if not (folder / "ctypes").is_dir():
        return {}
    modules = sorted(folder.glob("*.py"))
    for package in _PACKAGES:
        modules += sorted((folder / package).glob("**/*.py"))
    found = {str(path): str(path) for path in modules}
    for binary in binaries:
        found[binary] = os.path.realpath(binary)
        found.update((library, os.path.realpath(library)) for library in libraries(binary))
    return found
