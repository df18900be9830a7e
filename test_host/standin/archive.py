"""Package archives made on this machine: a script runs in a fresh host container, its output is copied to hosts."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from test_host import image
from test_host.errors import HostError
from test_host.host import Host

_BUILD_SECONDS = 900


@dataclass(frozen=True)
class Archive:
    """An archive that `script` writes to `/srv/{name}` of a host; its `files` are in `/srv/{name}-files`."""

    name: str
    script: Path
    files: tuple[Path, ...] = ()

    @property
    def host_folder(self) -> str:
        """The path of the archive on a host."""
        return f"/srv/{self.name}"

    def provide(self, host: Host, state: Path) -> None:
        """Copy the archive to a running host; it is built once and kept in `state`. Raises HostError."""
        with self._ensure(state).open("rb") as tar:
            done = subprocess.run(
                ["docker", "exec", "--interactive", host.name, "tar", "-x", "-C", "/srv"],
                stdin=tar, capture_output=True, check=False,
            )  # fmt: skip
        if done.returncode:
            raise HostError(f"The {self.name} archive could not be put into {host.name}: {done.stderr.decode()}")

    def _ensure(self, state: Path) -> Path:
        digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in (self.script, *self.files)))
        archive = state / f"{self.name}-{digest.hexdigest()[:12]}.tar"
        if not archive.exists():
            print(f"==> Building the stand-in {self.name} archive (once)", flush=True)
            state.mkdir(parents=True, exist_ok=True)
            self._build(archive)
        return archive

    def _build(self, archive: Path) -> None:
        """Run the script in a fresh trixie container; the archive gets its name only when it is complete."""
        # A unique name: two hosts may be created at once.
        handle, path = tempfile.mkstemp(prefix=f"{self.name}-", suffix=".part", dir=archive.parent)
        part = Path(path)
        try:
            with os.fdopen(handle, "wb") as out:
                self._fill(out)
            part.replace(archive)
        finally:
            part.unlink(missing_ok=True)

    def _fill(self, out: BinaryIO) -> None:
        folder = f"/srv/{self.name}-files"
        mounts = [f"--volume={path.resolve()}:{folder}/{path.name}:ro" for path in self.files]
        command = f"sh -s >&2 && tar -c -C /srv {self.name}"
        name = image.ensure("trixie")
        with self.script.open("rb") as script:
            done = subprocess.run(
                ["docker", "run", "--rm", "--interactive", *mounts, name, "sh", "-c", command],
                stdin=script, stdout=out, stderr=subprocess.PIPE, timeout=_BUILD_SECONDS, check=False,
            )  # fmt: skip
        if done.returncode:
            complaint = done.stderr.decode().strip()[-500:]
            raise HostError(f"The {self.name} archive could not be built: {complaint}")
