"""`make demo`: one throw-away host on this machine, prepared by the same site.yml as any rented server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

from test_host import engine, image
from test_host.docker_cli import answers, docker
from test_host.errors import HostError
from test_host.host import Host

HOST = Host("twinport-demo", ports=(8383, 9090))
_PLAYBOOK = ("-i", "inventory/demo", "site.yml")
_NEEDED_GIB = 8
_FAREWELL = """
Twinport is up. The desktop client's .env:

  CLOUD_GPU_SERVER_URL=http://127.0.0.1
  CLOUD_GPU_VIDEO_PORT=8383
  CLOUD_VOICE_SERVER_URL=http://127.0.0.1
  CLOUD_VOICE_PORT=9090

Try:
  http://127.0.0.1:9090/          the voice entry's page (and /docs, /health)
  http://127.0.0.1:8383/          the video entry's page (and /docs, /ready)
  curl "http://127.0.0.1:8383/easy/query?code=test"
  curl -F "audio=@/etc/hosts;filename=audio_test.wav" "http://127.0.0.1:8383/upload"

The engines are previews: espeak-ng speaks, ffmpeg loops the clip. `make demo-down` removes everything.
"""


def up(state: Path) -> None:
    """Start the demo host and run site.yml on it; a second call updates the running host.

    Raises HostError with one sentence for each problem.
    """
    engine.require(state)
    if not HOST.exists():
        _require_room()
        for port in HOST.ports:
            _require_free(port)
    print(f"==> Host {HOST.name}", flush=True)
    HOST.create(image.ensure("trixie"))
    print("==> ansible-playbook " + " ".join(_PLAYBOOK), flush=True)
    ansible = Path(sys.executable).with_name("ansible-playbook")
    if subprocess.run([str(ansible), *_PLAYBOOK], check=False).returncode:
        raise HostError("site.yml did not finish: the failed task above says why; `make demo` goes on from there.")
    print(_FAREWELL, flush=True)


def down(state: Path) -> None:
    """Remove the host, its volume, the cached image, and the engine where `up` started one."""
    if answers("info"):
        HOST.destroy()
        image.remove_all()
    engine.stop(state)
    shutil.rmtree(state, ignore_errors=True)
    print("The demo is gone.")


def _require_room() -> None:
    root = Path(docker("info", "--format", "{{.DockerRootDir}}"))
    if not root.is_dir():  # Docker Desktop keeps its data inside a virtual machine
        return
    free = shutil.disk_usage(root).free / 2**30
    if free < _NEEDED_GIB:
        raise HostError(
            f"Only {free:.1f} GiB are free in {root} and the demo takes up to {_NEEDED_GIB}: "
            "free some space (`docker system df` shows what Docker holds)."
        )


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise HostError(
                f"Port {port} is taken on this machine: stop what listens there (`ss -ltnp sport = :{port}`)."
            ) from error
