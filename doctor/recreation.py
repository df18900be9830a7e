"""Recreates a container with the same settings, or with a few changed ones. Nothing that was in it is lost."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from typing import AbstractSet, Any, Dict, List, Mapping, Optional, Sequence

from .containers import Container
from .docker_cli import Docker, DockerError
from .engine_api import create_container

PULL_TIMEOUT = 3600.0  # seconds
VOLATILE = ("/tmp", "/run", "/var/run", "/var/tmp", "/proc", "/sys", "/dev")  # noqa: S108 - names, nothing is put there
_FROM_IMAGE = (
    "Cmd", "Entrypoint", "WorkingDir", "User", "Volumes", "ExposedPorts", "Healthcheck", "StopSignal", "Shell"
)  # fmt: skip
_OWN_NETWORK_MODES = ("default", "bridge", "host", "none")


@dataclass(frozen=True)
class Changes:
    """What is to differ: another image, other entries of HostConfig."""

    image: str = ""
    host: Mapping[str, Any] = field(default_factory=dict)

    def sentence(self) -> str:
        """The changes as the end of a sentence."""
        words = [f"image {self.image}"] if self.image else []
        words += [f"{key} {value}" for key, value in sorted(self.host.items())]
        return f" with {', '.join(words)}" if words else ""


def merge(changes: Sequence[Changes]) -> Changes:
    """All changes in one; the first image that is asked for counts."""
    host: Dict[str, Any] = {}
    for change in changes:
        host.update(change.host)
    return Changes(image=next((c.image for c in changes if c.image), ""), host=host)


def recreate(docker: Docker, name: str, changes: Optional[Changes] = None) -> None:
    """Replace a container by a new one of the same name.

    What was written into the old one is carried over as an image layer; with another image that can't be, then the
    old container stays, stopped, as ``<name>.before-<time>``. Where the new one does not start, the old one comes
    back. Raises DockerError.
    """
    changes = changes or Changes()
    old = docker.inspect(name)
    if old is None:
        raise DockerError(f"there is no container {name}")
    if changes.image:
        _need_image(docker, changes.image)
    written = _written(docker, old)
    image = changes.image or (_commit(docker, old) if written else _same_image(docker, old))
    body = new_body(old, _image_config(docker, old.image_id), image, changes.host)
    aside = f"{name}.before-{time.strftime('%Y%m%d-%H%M%S')}"
    docker.stop(name)
    docker.run(["rename", name, aside])
    try:
        create_container(name, body)
        _join_networks(docker, old, name)
        docker.start(name)
    except DockerError:
        docker.commands.run(["docker", "rm", "--force", name])
        docker.run(["rename", aside, name])
        docker.start(name)
        raise
    if written and changes.image:
        docker.run(["update", "--restart", "no", aside])
    else:
        docker.run(["rm", aside])


def new_body(old: Container, image_config: Mapping[str, Any], image: str, host: Mapping[str, Any]) -> Dict[str, Any]:
    """The request that creates a container like ``old``: what it has from its image is left to the new image."""
    config = copy.deepcopy(dict(old.inspected["Config"]))
    config["Image"] = image
    for key in _FROM_IMAGE:
        if config.get(key) == image_config.get(key):
            config.pop(key, None)
    config["Env"] = [entry for entry in config.get("Env") or [] if entry not in (image_config.get("Env") or [])]
    inherited = image_config.get("Labels") or {}
    config["Labels"] = {key: text for key, text in (config.get("Labels") or {}).items() if inherited.get(key) != text}
    if config.get("Hostname") == old.id[:12]:
        del config["Hostname"]
    host_config = {**copy.deepcopy(dict(old.inspected["HostConfig"])), **host}
    host_config["Binds"] = [*(host_config.get("Binds") or []), *_anonymous_volumes(old, host_config)]
    body = {**config, "HostConfig": host_config}
    endpoints = _endpoints(old)
    first = old.network_mode if old.network_mode in endpoints else ""
    if first:
        body["NetworkingConfig"] = {"EndpointsConfig": {first: endpoints[first]}}
    return body


def _anonymous_volumes(old: Container, host_config: Mapping[str, Any]) -> List[str]:
    """Volumes that Docker made by itself; a new container would get empty ones."""
    named = {bind.split(":")[1] for bind in host_config.get("Binds") or [] if ":" in bind}
    named |= {str(mount.get("Target")) for mount in host_config.get("Mounts") or []}
    return [f"{m.name}:{m.destination}" for m in old.mounts if m.kind == "volume" and m.destination not in named]


def _endpoints(old: Container) -> Dict[str, Dict[str, Any]]:
    networks = old.inspected.get("NetworkSettings", {}).get("Networks") or {}
    return {
        name: {
            "IPAMConfig": settings.get("IPAMConfig"),
            "Links": settings.get("Links"),
            "Aliases": [alias for alias in settings.get("Aliases") or [] if alias != old.id[:12]],
        }
        for name, settings in networks.items()
        if name not in _OWN_NETWORK_MODES
    }


def _join_networks(docker: Docker, old: Container, name: str) -> None:
    """Networks beyond the one a container is created in."""
    for network, settings in _endpoints(old).items():
        if network != old.network_mode:
            aliases = [word for alias in settings["Aliases"] for word in ("--alias", alias)]
            docker.run(["network", "connect", *aliases, network, name])


def _written(docker: Docker, old: Container) -> bool:
    """True when something worth keeping was written into the container itself."""
    changes = [line.split(" ", 1) for line in docker.run(["diff", old.name]).text.splitlines() if " " in line]
    places = {mount.destination for mount in old.mounts}
    return any(
        kind in ("A", "C") and not _leads_to(path, places) and not path.startswith(VOLATILE) for kind, path in changes
    )


def _leads_to(path: str, places: AbstractSet[str]) -> bool:
    """True for a mount point and the folders above it, which Docker makes by itself."""
    return any(place == path or place.startswith(path.rstrip("/") + "/") for place in places)


def _commit(docker: Docker, old: Container) -> str:
    image = f"twinport-kept/{old.name.lower()}:{time.strftime('%Y%m%d-%H%M%S')}"
    docker.run(["commit", "--pause=false", old.name, image], timeout=PULL_TIMEOUT)
    return image


def _same_image(docker: Docker, old: Container) -> str:
    """The image by its name while the name still means the same image, else by its id."""
    found = docker.commands.run(["docker", "image", "inspect", "--format", "{{.Id}}", old.image])
    return old.image if found.ok and found.text == old.image_id else old.image_id


def _image_config(docker: Docker, image: str) -> Mapping[str, Any]:
    documents = docker.json(["image", "inspect", image])
    config = documents[0].get("Config") if documents else None
    return config if isinstance(config, dict) else {}


def _need_image(docker: Docker, image: str) -> None:
    if not docker.commands.run(["docker", "image", "inspect", image]).ok:
        docker.run(["pull", "--quiet", image], timeout=PULL_TIMEOUT)
