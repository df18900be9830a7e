"""A thin typed client of the ``docker`` program."""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from .commands import Commands, Completed
from .containers import Container, parse_inspect


class DockerError(Exception):
    """A docker command failed; the message is what docker said, for the user."""


class Docker:
    """Docker commands with time limits (seconds). Raises DockerError where a command fails."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    def trouble(self) -> str:
        """Why Docker can't be used: ``missing``, what its client says, or ``''`` when all is well."""
        if not self.commands.find("docker"):
            return "missing"
        done = self.commands.run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=30)
        return "" if done.ok else done.complaint

    def names(self, *filters: str) -> List[str]:
        """Names of all containers, stopped ones too, that pass the filters (``label=…``, ``publish=…``)."""
        argv = ["docker", "ps", "--all", "--no-trunc", "--format", "{{.Names}}"]
        for text in filters:
            argv += ["--filter", text]
        return sorted(name for line in self._run(argv).text.splitlines() for name in line.split(",") if name)

    def inspect(self, name: str) -> Optional[Container]:
        """The container of that name, or None."""
        done = self.commands.run(["docker", "container", "inspect", name], timeout=30)
        if done.returncode == 124:
            raise DockerError(done.complaint)
        return parse_inspect(json.loads(done.stdout)[0]) if done.ok else None

    def logs(self, name: str, since: str, take: Callable[[bytes], None]) -> None:
        """Hand over the log since a time (RFC 3339), each line with its time."""
        argv = ["docker", "logs", "--timestamps", *(["--since", since] if since else []), name]
        done = self.commands.stream(argv, take)
        if not done.ok:
            raise DockerError(f"the log of {name} can't be read: {done.complaint}")

    def execute(self, name: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        """Run a program inside a running container as root; its failure is a result."""
        return self.commands.run(["docker", "exec", "--user", "0", name, *argv], timeout=timeout)

    def processes(self, name: str) -> str:
        """The command lines of a running container's processes."""
        return self.commands.run(["docker", "top", name, "-eo", "pid,args"], timeout=30).text

    def read_file(self, name: str, path: str) -> Optional[bytes]:
        """Content of one file in a container, running or not; None where there is none."""
        done = self.commands.run(["docker", "cp", "--follow-link", f"{name}:{path}", "-"], timeout=120)
        if not done.ok:
            return None
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            member = archive.next()
            content = archive.extractfile(member) if member and member.isfile() else None
            return content.read() if content else None

    def read_folder(self, name: str, path: str) -> Dict[str, bytes]:
        """Contents of the files in one folder of a container, by file name; empty where there is no such folder."""
        done = self.commands.run(["docker", "cp", f"{name}:{path}/.", "-"], timeout=120)
        files: Dict[str, bytes] = {}
        if done.ok:
            with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    if content:
                        files[posixpath.basename(member.name)] = content.read()
        return files

    def is_directory(self, container: Container, path: str) -> bool:
        """True when the container, running or not, has that folder."""
        if container.running:
            return self.execute(container.name, ["test", "-d", path]).ok
        mount = container.mount_of(path)
        if mount:
            return Path(mount.source, posixpath.relpath(path, mount.destination)).is_dir()
        return self.commands.run(["docker", "cp", f"{container.name}:{path}", "-"], timeout=60).ok

    def write_file(self, name: str, path: str, content: bytes, mode: int = 0o644) -> None:
        """Put a file into a container, running or not; its folder must exist."""
        member = tarfile.TarInfo(posixpath.basename(path))
        member.size, member.mode = len(content), mode
        self.copy_in(name, posixpath.dirname(path), pack([(member, content)]))

    def write_folder(self, name: str, path: str, files: Mapping[str, bytes]) -> None:
        """Put files into a folder of a container, running or not; the folder is created where it is missing."""
        top = tarfile.TarInfo(posixpath.basename(path))
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        members = [(top, b"")]
        for file, content in files.items():
            member = tarfile.TarInfo(f"{top.name}/{file}")
            member.size, member.mode = len(content), 0o644
            members.append((member, content))
        self.copy_in(name, posixpath.dirname(path), pack(members))

    def copy_in(self, name: str, folder: str, archive: bytes) -> None:
        """Unpack a tar archive into a folder of a container, running or not."""
        self._run(["docker", "cp", "-", f"{name}:{folder}"], stdin=archive, timeout=600)

    def start(self, name: str) -> None:
        """Start a stopped container."""
        self._run(["docker", "start", name], timeout=120)

    def restart(self, name: str) -> None:
        """Restart a container, whether it runs or not."""
        self._run(["docker", "restart", "--time", "20", name], timeout=180)

    def stop(self, name: str) -> None:
        """Stop a container; ends the waiting of a restart loop too."""
        self._run(["docker", "stop", "--time", "20", name], timeout=120)

    def run(self, argv: Sequence[str], *, timeout: float = 120.0) -> Completed:
        """Any further docker command, ``argv`` without ``docker``."""
        return self._run(["docker", *argv], timeout=timeout)

    def json(self, argv: Sequence[str]) -> Any:
        """A docker command whose output is JSON, parsed."""
        return json.loads(self._run(["docker", *argv]).stdout)

    def runtimes(self) -> List[str]:
        """Names of the container runtimes that the daemon knows."""
        return sorted(self.json(["info", "--format", "{{json .Runtimes}}"]) or {})

    def _run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        done = self.commands.run(argv, stdin=stdin, timeout=timeout)
        if not done.ok:
            raise DockerError(f"`{' '.join(argv[:3])} …` failed: {done.complaint}")
        return done


def pack(members: Sequence["tuple[tarfile.TarInfo, bytes]"]) -> bytes:
    """A tar archive of the members, for ``docker cp -``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
