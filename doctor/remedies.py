"""The remedy kinds. Each one looks first and returns only the actions that are still needed; nothing is done yet.

An action says what it will do in a sentence, shows a diff where a file changes, and says what the container needs
afterwards. So check mode, the diff and the real run come from the same objects.
"""

from __future__ import annotations

import difflib
import hashlib
import posixpath
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from .containers import Container
from .docker_cli import Docker, DockerError, pack
from .host_probes import HostProbes
from .model_cache import model_folders
from .packages import install_package
from .recreation import Changes
from .settings import Settings
from .sizes import parse_size
from .volumes import remove_paths

RESTART, RECREATE, NOTHING = "restart", "recreate", ""
OUR_PROJECTS = ("twinport-voice", "twinport-video")


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
        before, after = self.before.splitlines(keepends=True), self.after.splitlines(keepends=True)
        return "".join(difflib.unified_diff(before, after, f"{self.path} (now)", f"{self.path} (cured)"))


@dataclass(frozen=True)
class Action:
    """One thing to do. ``apply`` raises DockerError, RemedyError or OSError where it fails.

    ``afterwards`` says what the container needs then; ``changes`` what a recreation is to change.
    """

    where: str
    summary: str
    apply: Callable[[], None]
    afterwards: str = NOTHING
    diff: Optional[Diff] = None
    changes: Changes = field(default_factory=Changes)


@dataclass(frozen=True)
class Tools:
    """What remedies work with."""

    docker: Docker
    probes: HostProbes
    settings: Settings


Prepare = Callable[[Tools, Container, Mapping[str, Any]], List[Action]]


def replace_file(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Put our version of a file (``file``) in its place (``path``); the old one is kept on the host.

    Replacements with a folder in their name (``package/module.py``) are what the file imports; they go beside it.
    """
    name, path = str(parameters["file"]), str(parameters["path"])
    if name not in tools.settings.files:
        raise RemedyError(f"the replacement {name} was not given to the doctor")
    new = tools.settings.files[name]
    old = tools.docker.read_file(container.name, path)
    if old is None:
        raise RemedyError(f"{container.name} has no file {path}; this cure is for another kind of container")
    actions = _place_packages(tools, container, posixpath.dirname(path))
    if old == new:
        return actions

    def apply() -> None:
        _keep(tools.settings, container, path, old)
        mount = container.mount_of(path)
        if mount and mount.destination == path:
            Path(mount.source).write_bytes(new)  # a mounted file can't be exchanged, only rewritten
        else:
            tools.docker.write_file(container.name, path, new)

    diff = Diff(f"{container.name}:{path}", old.decode("utf-8", "replace"), new.decode("utf-8", "replace"))
    return [*actions, Action(container.name, f"replace {path} in {container.name}", apply, RESTART, diff)]


def _place_packages(tools: Tools, container: Container, parent: str) -> List[Action]:
    packages: Dict[str, Dict[str, bytes]] = {}
    for name, content in tools.settings.files.items():
        folder, _, file = name.rpartition("/")
        if folder:
            packages.setdefault(posixpath.join(parent, folder), {})[file] = content
    return [
        Action(
            container.name,
            f"write {folder} in {container.name}",
            _write_package(tools, container, folder, files),
            RESTART,
        )
        for folder, files in packages.items()
        if not files.items() <= tools.docker.read_folder(container.name, folder).items()
    ]


def _write_package(tools: Tools, container: Container, folder: str, files: Mapping[str, bytes]) -> Callable[[], None]:
    def apply() -> None:
        mount = container.mount_of(folder)
        if mount and mount.destination == folder:
            for name, content in files.items():
                Path(mount.source, name).write_bytes(content)
        else:
            tools.docker.write_folder(container.name, folder, files)

    return apply


def create_directories(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Create folders (``paths``) in a container or its volumes."""

    def create(path: str) -> Callable[[], None]:
        member = tarfile.TarInfo(posixpath.basename(path))
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        return lambda: tools.docker.copy_in(container.name, posixpath.dirname(path), pack([(member, b"")]))

    missing = [path for path in parameters["paths"] if not tools.docker.is_directory(container, path)]
    return [Action(container.name, f"create {path} in {container.name}", create(path)) for path in missing]


def install_requirement(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Install a Python requirement (``requirement``, ``no_deps``) for the container's own Python."""
    requirement, no_deps = str(parameters["requirement"]), bool(parameters.get("no_deps"))

    def apply() -> None:
        install_package(tools.docker, container.name, requirement, tools.settings.pip, no_deps=no_deps)

    return [Action(container.name, f"install {requirement} in {container.name}", apply, RESTART)]


def drop_model_cache(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Remove the cache folder of the one model that the container runs; it is downloaded again at the next start."""
    return _removal(tools, container, model_folders(container))


def drop_model_plans(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Remove files derived from the model for another GPU (``pattern``); the engine builds them again."""
    pattern = str(parameters["pattern"])
    return _removal(tools, container, tuple(f"{folder}/{pattern}" for folder in model_folders(container)))


def restart(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Restart the container; with ``gpu`` only while the host's driver answers, so that the one try is not in vain."""
    if parameters.get("gpu") and tools.probes.compute_capability() is None:
        raise RemedyError(f"the GPU's driver does not answer on the host; {container.name} is started when it does")
    return [Action(container.name, "", _nothing, RESTART)]


def recreate(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Recreate the container as it was, or with another ``shm_size`` or ``image``.

    ``compute_capability``: only on GPUs of at least this one, such as ``12.0``.
    """
    needed = str(parameters.get("compute_capability", ""))
    if needed:
        present = tools.probes.compute_capability()
        if present is None or present < _version(needed):
            raise RemedyError(f"the cure is for GPUs of compute capability {needed} or higher, which this host lacks")
    image = str(parameters.get("image", ""))
    host: Dict[str, Any] = {}
    if "shm_size" in parameters:
        host["ShmSize"] = parse_size(str(parameters["shm_size"]))
    if (host or image) and image in ("", container.image) and host.get("ShmSize", 0) <= container.shm_size:
        raise RemedyError(f"{container.name} already has this setting")
    return [Action(container.name, "", _nothing, RECREATE, changes=Changes(image=image, host=host))]


def nvidia_runtime(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Register NVIDIA's runtime with Docker and restart Docker."""
    commands = tools.docker.commands
    if not commands.find("nvidia-ctk"):
        raise RemedyError("NVIDIA's container toolkit is not installed; run playbooks/host.yml")
    if "nvidia" in tools.docker.runtimes():
        return [Action(container.name, "", _nothing, RESTART)]

    def apply() -> None:
        for argv in (["nvidia-ctk", "runtime", "configure", "--runtime=docker"], ["systemctl", "restart", "docker"]):
            done = commands.run(argv, timeout=300)
            if not done.ok:
                raise RemedyError(f"`{' '.join(argv)}` failed: {done.complaint}")

    return [Action(container.name, "register NVIDIA's runtime with Docker and restart Docker", apply, RESTART)]


def free_port(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Stop an old container of ours that holds a port of this one; other programs are named, never touched."""
    actions = []
    for port in container.host_ports:
        holders = [name for name in tools.docker.names(f"publish={port}", "status=running") if name != container.name]
        actions += [_stop_holder(tools, container, name, port) for name in holders]
        if not holders and port in tools.probes.listening():
            holder = tools.probes.holder(port)
            raise RemedyError(f"port {port} is held by {holder}; stop it, then start {container.name}")
    return [*actions, Action(container.name, "", _nothing, RESTART)]


def prune_images(tools: Tools, container: Container, parameters: Mapping[str, Any]) -> List[Action]:
    """Remove image layers that no image and no container uses."""
    if not tools.docker.run(["images", "--quiet", "--filter", "dangling=true"]).text:
        return []
    return [Action(container.name, "remove unused image layers", lambda: _prune(tools.docker), RESTART)]


@dataclass(frozen=True)
class Kind:
    """A remedy kind: how it is prepared, and whether it deletes what a user may want to keep."""

    prepare: Prepare
    deletes: bool = False


KINDS: Dict[str, Kind] = {
    "replace_file": Kind(replace_file),
    "install_requirement": Kind(install_requirement),
    "create_directories": Kind(create_directories),
    "drop_model_cache": Kind(drop_model_cache),
    "drop_model_plans": Kind(drop_model_plans),
    "restart": Kind(restart),
    "recreate": Kind(recreate),
    "nvidia_runtime": Kind(nvidia_runtime),
    "free_port": Kind(free_port),
    "prune_images": Kind(prune_images),
}


def _version(text: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _nothing() -> None:
    """The action consists of what follows it."""


def _removal(tools: Tools, container: Container, paths: Tuple[str, ...]) -> List[Action]:
    if not paths:
        raise RemedyError(f"{container.name} names no model to download; a model folder of your own is never touched")
    summary = f"remove {', '.join(paths)} in {container.name}"
    return [Action(container.name, summary, lambda: remove_paths(tools.docker, container.name, paths), RESTART)]


def _stop_holder(tools: Tools, container: Container, name: str, port: int) -> Action:
    holder = tools.docker.inspect(name)
    ours = holder is not None and (
        holder.image_id == container.image_id or holder.labels.get("com.docker.compose.project") in OUR_PROJECTS
    )
    if not ours:
        raise RemedyError(f"port {port} is held by the container {name}; stop it, then start {container.name}")

    def apply() -> None:
        tools.docker.run(["update", "--restart", "no", name])
        tools.docker.stop(name)

    return Action(container.name, f"stop the old container {name}, which holds port {port}", apply, RESTART)


def _prune(docker: Docker) -> None:
    docker.run(["image", "prune", "--force"], timeout=600)


def _keep(settings: Settings, container: Container, path: str, content: bytes) -> None:
    """Keep the old file in the doctor's state folder, named after its content, so that none is ever overwritten."""
    digest = hashlib.sha256(content).hexdigest()[:12]
    kept = Path(settings.state_dir) / "kept" / container.name / f"{posixpath.basename(path)}.{digest}"
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not kept.exists():
        kept.write_bytes(content)


__all__ = ["KINDS", "Action", "Diff", "DockerError", "RemedyError", "Tools"]
