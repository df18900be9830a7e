"""The remedy kinds. Each one looks first and returns only the actions that are still needed; nothing is done yet.

An action says what it will do in a sentence, shows a diff where a file changes, and says what the container needs
afterwards. So check mode, the diff and the real run come from the same objects.
"""

from __future__ import annotations

import difflib
import hashlib
import posixpath
import tarfile
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

from .containers import Container
from .docker_cli import Docker, pack
from .settings import Settings

RESTART, RECREATE, NOTHING = "restart", "recreate", ""
PIP_TIMEOUT = 900.0  # seconds


class RemedyError(Exception):
    """The remedy can't work here; the message says why, for the user."""


@dataclass(frozen=True)
class Diff:
    """How a file in a container changes."""

    path: str
    before: str
    after: str

    def unified(self) -> str:
        """The change in unified form."""
        lines = difflib.unified_diff(
            self.before.splitlines(True), self.after.splitlines(True), f"{self.path} (now)", f"{self.path} (cured)"
        )
        return "".join(lines)


@dataclass(frozen=True)
class Action:
    """One thing to do. ``apply`` raises DockerError, RemedyError or OSError where it fails."""

    where: str
    summary: str
    apply: Callable[[], None]
    afterwards: str = NOTHING
    diff: Optional[Diff] = None


@dataclass(frozen=True)
class Tools:
    """What remedies work with."""

    docker: Docker
    settings: Settings


Prepare = Callable[[Tools, Container, Mapping[str, Any]], List[Action]]


def replace_file(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Put our version of a file (``file``) in its place (``path``); the old one is kept on the host."""
    name, path = str(parameters["file"]), str(parameters["path"])
    if name not in tools.settings.files:
        raise RemedyError(f"the replacement {name} was not given to the doctor")
    new = tools.settings.files[name]
    old = tools.docker.read_file(container.name, path)
    if old is None:
        raise RemedyError(f"{container.name} has no file {path}; it is no container that this cure is for")
    if old == new:
        return []

    def apply() -> None:
        _keep(tools.settings, container, path, old)
        mount = container.mount_of(path)
        if mount and mount.destination == path:
            Path(mount.source).write_bytes(new)  # a mounted file can't be exchanged, only rewritten
        else:
            tools.docker.write_file(container.name, path, new)

    diff = Diff(f"{container.name}:{path}", old.decode("utf-8", "replace"), new.decode("utf-8", "replace"))
    return [Action(container.name, f"replace {path} in {container.name}", apply, RESTART, diff)]


def create_directories(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Create folders (``paths``) in a container or its volumes."""
    missing = [path for path in parameters["paths"] if not tools.docker.is_directory(container, path)]

    def create(path: str) -> Callable[[], None]:
        member = tarfile.TarInfo(posixpath.basename(path))
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        return lambda: tools.docker.copy_in(container.name, posixpath.dirname(path), pack([(member, b"")]))

    return [Action(container.name, f"create {path} in {container.name}", create(path)) for path in missing]


def install_requirement(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Install a Python requirement (``requirement``) in the container with its own pip."""
    requirement = str(parameters["requirement"])
    summary = f"install {requirement} in {container.name}"
    return [Action(container.name, summary, lambda: _pip_install(tools, container, parameters), RESTART)]


def restart(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Nothing but the restart that follows every cure of a running program."""
    return [Action(container.name, "", _nothing, RESTART)]


def recreate(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Make the container anew with the same settings."""
    return [Action(container.name, "", _nothing, RECREATE)]


@dataclass(frozen=True)
class Kind:
    """A remedy kind: how it is prepared and whether it deletes what a user may want to keep."""

    prepare: Prepare
    deletes: bool = False


KINDS: Dict[str, Kind] = {
    "replace_file": Kind(replace_file),
    "install_requirement": Kind(install_requirement),
    "create_directories": Kind(create_directories),
    "restart": Kind(restart),
}


def _nothing() -> None:
    """The action consists of what follows it."""


def _keep(settings: Settings, container: Container, path: str, content: bytes) -> None:
    """Keep the old file under the doctor's state folder, named after its content, so that none is ever overwritten."""
    digest = hashlib.sha256(content).hexdigest()[:12]
    kept = Path(settings.state_dir) / "kept" / container.name / f"{posixpath.basename(path)}.{digest}"
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not kept.exists():
        kept.write_bytes(content)


def _pip_install(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> None:
    """With the container's own pip while it runs; else with a helper made of the same image, and copied over."""
    current = tools.docker.inspect(container.name)
    if current and current.running:
        done = tools.docker.execute(container.name, _pip_argv(tools, parameters), timeout=PIP_TIMEOUT)
        if not done.ok:
            raise RemedyError(f"pip in {container.name}: {done.complaint}")
        return
    helper = f"twinport-doctor-{uuid.uuid4().hex[:12]}"
    target = "/twinport-doctor"
    purelib = "import sysconfig; print(sysconfig.get_path('purelib'))"
    base = ["--entrypoint", "python3", container.image_id]
    site = tools.docker.run(["run", "--rm", *base, "-c", purelib]).text
    with tempfile.TemporaryDirectory(prefix="twinport-doctor-") as folder:
        try:
            argv = _pip_argv(tools, parameters)[1:]
            tools.docker.run(["run", "--name", helper, *base, *argv, "--target", target], timeout=PIP_TIMEOUT)
            tools.docker.run(["cp", f"{helper}:{target}/.", folder])
            tools.docker.run(["cp", f"{folder}/.", f"{container.name}:{site}"])
        finally:
            tools.docker.commands.run(["docker", "rm", "--force", "--volumes", helper])


def _pip_argv(tools: Tools, parameters: Mapping[str, Any]) -> List[str]:
    argv = ["python3", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--upgrade"]
    argv += ["--no-deps"] if parameters.get("no_deps") else []
    argv += ["--index-url", tools.settings.pip.index_url] if tools.settings.pip.index_url else []
    return [*argv, str(parameters["requirement"])]
