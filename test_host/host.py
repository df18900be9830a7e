"""One throw-away host: a container that boots systemd and can run its own Docker engine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from test_host.docker_cli import answers, docker, inspect
from test_host.errors import HostError

_LABEL = "twinport.test-host"
_BOOT_SECONDS = 300
# No --privileged: some machines lack SYS_RESOURCE and reject it; this set is enough for an inner Docker engine.
_RIGHTS = (
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--tmpfs=/run",
    "--tmpfs=/tmp",
    "--env=container=docker",
    "--stop-signal=SIGRTMIN+3",
)


@dataclass(frozen=True)
class Host:
    """A host by name; `ports` are published on 127.0.0.1 under the same numbers, `network` is a Docker network."""

    name: str
    ports: tuple[int, ...] = ()
    network: str = "bridge"

    @property
    def volume(self) -> str:
        """The volume that holds the inner engine's data, so that it can use overlay2."""
        return f"{self.name}-docker"

    def exists(self) -> bool:
        """Return whether the host was created, running or not."""
        return inspect("container", self.name) is not None

    def create(self, image: str) -> None:
        """Create and boot the host, or boot it where it exists already; returns when systemd is up."""
        if not self.exists():
            publish = [f"--publish=127.0.0.1:{port}:{port}" for port in self.ports]
            docker(
                "run", "--detach", "--name", self.name, "--hostname", self.name, "--label", _LABEL,
                *_RIGHTS, f"--volume={self.volume}:/var/lib/docker", f"--network={self.network}", *publish,
                image, "/lib/systemd/systemd",
            )  # fmt: skip
        docker("start", self.name)
        self.wait()

    def wait(self) -> None:
        """Wait until systemd has finished booting; raises HostError after five minutes, for busy machines."""
        deadline = time.monotonic() + _BOOT_SECONDS
        while not self._booted():
            if time.monotonic() > deadline:
                raise HostError(f"Host {self.name} did not boot; `docker logs {self.name}` may tell why.")
            time.sleep(0.5)

    def destroy(self) -> None:
        """Remove the host with all its data; a missing one is fine."""
        if self.exists():
            docker("rm", "--force", "--volumes", self.name)
        if inspect("volume", self.volume) is not None:
            docker("volume", "rm", self.volume)

    def _booted(self) -> bool:
        # A host whose kernel modules can't be loaded stays `degraded`, but is usable.
        probe = 'case "$(systemctl is-system-running)" in running|degraded) ;; *) exit 1;; esac'
        return answers("exec", self.name, "sh", "-c", probe)
