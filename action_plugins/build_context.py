# SPDX-License-Identifier: Apache-2.0
"""The work of the Ansible module `build_context`: packs an image's build context the same way every time."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

_ARGUMENTS = {
    "contexts": {"type": "dict", "required": True},
    "salt": {"type": "str", "default": ""},
    "cache": {"type": "path", "required": True},
}
_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store"}
_DIGEST_LENGTH = 12


def _members(sources: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Name in the context and path of every folder and file, sorted by name; raises FileNotFoundError."""
    found: dict[str, Path] = {}
    for target, source in sources.items():
        top = Path(source)
        if not top.exists():
            raise FileNotFoundError(f"{top} does not exist")
        found[target] = top
        if top.is_dir():
            for path in top.rglob("*"):
                relative = path.relative_to(top)
                if not _LEFT_OUT.intersection(relative.parts) and path.suffix != ".pyc":
                    found[f"{target}/{relative.as_posix()}"] = path
    return sorted(found.items())


def _header(name: str, path: Path) -> tarfile.TarInfo:
    """Return a tar header that depends on nothing but the name, the kind, the executable bit and the size."""
    header = tarfile.TarInfo(name)
    if path.is_dir():
        header.type, header.mode = tarfile.DIRTYPE, 0o755
    else:
        header.mode = 0o755 if os.access(str(path), os.X_OK) else 0o644
        header.size = path.stat().st_size
    return header


def pack(sources: Mapping[str, str], salt: str, cache: str) -> tuple[str, str]:
    """Write the tar file and return (digest, path)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in _members(sources):
            header = _header(name, path)
            if header.isdir():
                tar.addfile(header)
            else:
                with path.open("rb") as content:
                    tar.addfile(header, content)
    digest = hashlib.sha256(salt.encode() + b"\0" + buffer.getvalue()).hexdigest()[:_DIGEST_LENGTH]
    target = Path(cache) / f"{digest}.tar"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=str(target.parent), delete=False) as part:
            part.write(buffer.getvalue())
        Path(part.name).replace(target)
    return digest, str(target)


class ActionModule(ActionBase):
    """Packs in the process that has the host's task: as a module it would be one more program for each host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Pack all contexts and name their digests."""
        result = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(_ARGUMENTS)
        salt, cache = options["salt"], options["cache"]
        try:
            packed = {name: pack(sources, salt, cache) for name, sources in options["contexts"].items()}
        except OSError as error:
            raise AnsibleActionFail(f"The build context could not be packed: {error}") from error
        return {
            **result,
            "changed": False,
            "digests": {name: digest for name, (digest, _) in packed.items()},
            "paths": {name: path for name, (_, path) in packed.items()},
        }
