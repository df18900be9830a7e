"""What Docker says about a container, as a frozen object. Pure: ``docker inspect`` in, facts out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

NEVER = "0001-01-01T00:00:00Z"  # Docker's time for "not yet"


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host inside the container."""

    kind: str
    name: str
    source: str
    destination: str
    writable: bool


@dataclass(frozen=True)
class Container:
    """The facts that diagnosis and remedies need. Times are RFC 3339 as Docker writes them; sizes are bytes."""

    id: str
    name: str
    image: str
    image_id: str
    status: str
    exit_code: int
    oom_killed: bool
    error: str
    health: str
    restart_count: int
    restart_policy: str
    created_at: str
    started_at: str
    finished_at: str
    command: Tuple[str, ...]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    mounts: Tuple[Mount, ...]
    tmpfs: Tuple[str, ...]
    host_ports: Tuple[int, ...]
    networks: Tuple[str, ...]
    addresses: Tuple[str, ...]
    network_mode: str
    wants_gpu: bool
    shm_size: int
    inspected: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def running(self) -> bool:
        """True while the main process runs."""
        return self.status == "running"

    @property
    def started(self) -> bool:
        """True when the container ran at least once."""
        return self.started_at not in ("", NEVER)

    def mount_of(self, path: str) -> Optional[Mount]:
        """The innermost mount that ``path`` lies in."""
        inside = [m for m in self.mounts if path == m.destination or path.startswith(m.destination.rstrip("/") + "/")]
        return max(inside, key=lambda m: len(m.destination), default=None)


def parse_inspect(document: Mapping[str, Any]) -> Container:
    """One element of the list that ``docker inspect`` prints. Missing parts become empty, never an exception."""
    state = _section(document, "State")
    config = _section(document, "Config")
    host = _section(document, "HostConfig")
    networks = _section(_section(document, "NetworkSettings"), "Networks")
    return Container(
        id=str(document.get("Id", "")),
        name=str(document.get("Name", "")).lstrip("/"),
        image=str(config.get("Image", "")),
        image_id=str(document.get("Image", "")),
        status=str(state.get("Status", "")),
        exit_code=int(state.get("ExitCode") or 0),
        oom_killed=bool(state.get("OOMKilled")),
        error=str(state.get("Error") or ""),
        health=str(_section(state, "Health").get("Status") or ""),
        restart_count=int(document.get("RestartCount") or 0),
        restart_policy=str(_section(host, "RestartPolicy").get("Name") or "no"),
        created_at=str(document.get("Created", "")),
        started_at=str(state.get("StartedAt") or ""),
        finished_at=str(state.get("FinishedAt") or ""),
        command=tuple(str(word) for word in [document.get("Path", ""), *(document.get("Args") or [])]),
        environment=_environment(config.get("Env") or []),
        labels={str(key): str(value) for key, value in _section(config, "Labels").items()},
        mounts=tuple(_mount(mount) for mount in document.get("Mounts") or []),
        tmpfs=tuple(_section(host, "Tmpfs")),
        host_ports=_host_ports(_section(host, "PortBindings")),
        networks=tuple(networks),
        addresses=tuple(str(n["IPAddress"]) for n in networks.values() if n and n.get("IPAddress")),
        network_mode=str(host.get("NetworkMode", "")),
        wants_gpu=_wants_gpu(host, config),
        shm_size=int(host.get("ShmSize") or 0),
        inspected=document,
    )


def _section(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _environment(entries: List[str]) -> Dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in entries)


def _mount(mount: Mapping[str, Any]) -> Mount:
    return Mount(
        kind=str(mount.get("Type", "")),
        name=str(mount.get("Name", "")),
        source=str(mount.get("Source", "")),
        destination=str(mount.get("Destination", "")),
        writable=bool(mount.get("RW", False)),
    )


def _host_ports(bindings: Mapping[str, Any]) -> Tuple[int, ...]:
    ports = (str(b.get("HostPort") or "") for host_bindings in bindings.values() for b in host_bindings or [])
    return tuple(sorted({int(port) for port in ports if port.isdigit()}))


def _wants_gpu(host: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    requests = host.get("DeviceRequests") or []
    by_request = any("gpu" in group for r in requests for group in (r.get("Capabilities") or []))
    by_name = any(str(r.get("Driver", "")) in ("nvidia", "cdi") for r in requests)
    visible = _environment(config.get("Env") or []).get("NVIDIA_VISIBLE_DEVICES", "")
    by_runtime = host.get("Runtime") == "nvidia" and visible not in ("", "void", "none")
    return by_request or by_name or by_runtime
