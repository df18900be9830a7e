"""The second look: what a log says is acted upon only where something that no request can word agrees."""

from __future__ import annotations

import inspect
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Mapping

from . import model_files
from .catalogue import KnownError
from .commands import Completed
from .containers import Container
from .docker_cli import Docker
from .engine_http import port_state, refuses_work
from .host_probes import HostProbes, is_ill
from .model_cache import model_places
from .sizes import parse_size

MISSING_PROGRAM = (126, 127)  # exit codes of `docker exec` where the program can't be started
NO_ANSWER = 124
LEAST_SHARE = 100  # a file system with less than one part in a hundred free is full
DOCKER_FILES = "/var/lib/docker"
_IMAGE_RUN = ("run", "--rm", "--network", "none", "--entrypoint", "python3")


@dataclass
class Scene:
    """One container and what has been asked about it in this look; nothing is asked twice."""

    docker: Docker
    probes: HostProbes
    container: Container
    engine: str
    loops: bool
    _asked: Dict[str, bool] = field(default_factory=dict)

    def confirms(self, error: KnownError) -> bool:
        """True when one of the error's witnesses agrees."""
        return any(self._ask(witness.kind, witness.parameters) for witness in error.witness)

    def _ask(self, kind: str, parameters: Mapping[str, Any]) -> bool:
        key = f"{kind} {sorted(parameters.items())}"
        if key not in self._asked:
            self._asked[key] = KINDS[kind](self, parameters)
        return self._asked[key]


def docker_state(scene: Scene, parameters: Mapping[str, Any]) -> bool:
    """Docker says that the container ended by itself, starts over and over, is unhealthy or ran out of memory."""
    return is_ill(scene.container, loops=scene.loops)


def request_fails(scene: Scene, parameters: Mapping[str, Any]) -> bool:
    """The engine runs and fails at a piece of work that is certainly right; being busy or starting is no failure."""
    if not scene.container.running or scene.loops:
        return False
    state = port_state(scene.container, scene.engine)
    if state == "closed":
        return "python" not in scene.docker.processes(scene.container.name)
    return state == "silent" or (state == "open" and refuses_work(scene.container, scene.engine))


def python_fails(scene: Scene, parameters: Mapping[str, Any]) -> bool:
    """A line of Python (``code``) fails in the container, or in its image where the container does not run."""
    return _python(scene, str(parameters["code"])).returncode == 1


def model_damaged(scene: Scene, parameters: Mapping[str, Any]) -> bool:
    """The folder of the container's model lacks files or has some that can't be whole."""
    folders = model_places(scene.container)
    if not folders:
        return False
    done = _python(scene, inspect.getsource(model_files), *folders, volumes=True)
    return done.returncode == model_files.DAMAGED


def _python(scene: Scene, code: str, *arguments: str, volumes: bool = False) -> Completed:
    """Run Python in the container; in its image, with its volumes if asked for, where the container does not run."""
    container = scene.container
    if container.running and not scene.loops:
        return scene.docker.execute(container.name, ["python3", "-c", code, *arguments], timeout=60)
    mounted = ["--volumes-from", f"{container.name}:ro"] if volumes else []
    return scene.docker.commands.run(
        ["docker", *_IMAGE_RUN, *mounted, container.image_id, "-c", code, *arguments], timeout=60
    )


def path_missing(scene: Scene, parameters: Mapping[str, Any]) -> bool:
    """One of the folders (``paths``) is not there."""
    return any(not scene.docker.is_directory(scene.container, str(path)) for path in parameters["paths"])


def gpu_unusable(scene: Scene, parameters: Mapping[str, Any]) -> bool:
    """``nvidia-smi`` fails in the container, or is not there although the host's GPU works."""
    if not scene.container.running:
        return False
    done = scene.docker.execute(scene.container.name, ["nvidia-smi", "-L"], timeout=30)
    if done.returncode in MISSING_PROGRAM:
        return scene.probes.compute_capability() is not None
    return done.returncode not in (0, NO_ANSWER)


def dead_process(scene: Scene, parameters: Mapping[str, Any]) -> bool:
    """A Python process of the container has died and nobody has taken notice."""
    lines = scene.docker.processes(scene.container.name).splitlines() if scene.container.running else []
    return any("[python" in line and "<defunct>" in line for line in lines)


def shm_below(scene: Scene, parameters: Mapping[str, Any]) -> bool:
    """The container has less shared memory than the engine needs (``size``)."""
    return scene.container.shm_size < parse_size(str(parameters["size"]))


def wrong_image(scene: Scene, parameters: Mapping[str, Any]) -> bool:
    """The host's GPUs are of ``compute_capability`` or higher, and the container runs the image made for older ones."""
    present = scene.probes.compute_capability()
    needed = tuple(int(part) for part in str(parameters["compute_capability"]).split("."))
    return present is not None and present >= needed and scene.container.image.split(":")[0] == parameters["image"]


def disk_full(scene: Scene, parameters: Mapping[str, Any]) -> bool:
    """A file system that the container writes to has no room, as the container itself sees it."""
    container = scene.container
    if not container.running:
        return any(
            _is_full(Path(place)) for place in (DOCKER_FILES, *(m.source for m in container.mounts if m.writable))
        )
    places = ["/", *(mount.destination for mount in container.mounts if mount.writable), *container.tmpfs]
    for line in scene.docker.execute(container.name, ["df", "-P", *places]).text.splitlines()[1:]:
        columns = line.split()
        counted = len(columns) >= 6 and columns[1].isdigit() and columns[3].isdigit()
        if counted and int(columns[3]) * LEAST_SHARE < int(columns[1]):
            return True
    return False


def _is_full(path: Path) -> bool:
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return False
    return usage.free * LEAST_SHARE < usage.total


KINDS: Mapping[str, Callable[[Scene, Mapping[str, Any]], bool]] = {
    "docker_state": docker_state,
    "request_fails": request_fails,
    "python_fails": python_fails,
    "model_damaged": model_damaged,
    "path_missing": path_missing,
    "gpu_unusable": gpu_unusable,
    "dead_process": dead_process,
    "shm_below": shm_below,
    "wrong_image": wrong_image,
    "disk_full": disk_full,
}
