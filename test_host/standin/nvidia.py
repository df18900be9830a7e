"""A host with a GPU, without one: a stand-in driver, and a stand-in archive of NVIDIA's container toolkit.

`nvidia-smi` answers like a driver in the state that `/etc/standin-gpu` names: good, eight-gb, four-gb, 50-series,
50-series-old-driver, old-driver, old-card, mismatch, lost, no-module, no-card, no-compute (only `libcuda.so.1`
fails). The toolkit's packages have the real names, version and layout, so that the role takes its real steps: key,
source, pinned packages, runtime, Docker restart, and a container that uses the GPU.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from test_host.docker_cli import docker
from test_host.host import Host
from test_host.standin.archive import Archive

_HERE = Path(__file__).parent
_FILES = _HERE / "nvidia_files"
_PACKAGED = ("nvidia-container-runtime", "nvidia-container-runtime-hook", "nvidia-ctk")

TOOLKIT = Archive("nvidia", _HERE / "build_nvidia.sh", tuple(_FILES / name for name in _PACKAGED))


def provide(host: Host, state: Path, gpu: str) -> None:
    """Give a running host a driver in the state `gpu` and the toolkit's archive. Raises HostError."""
    TOOLKIT.provide(host, state)
    docker("cp", str(_FILES / "nvidia-smi"), f"{host.name}:/usr/bin/nvidia-smi")
    library = state / "libcuda.so.1"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", str(library), str(_FILES / "libcuda.c")],
        check=True,
    )
    docker("cp", str(library), f"{host.name}:/usr/lib/libcuda.so.1")
    docker("exec", host.name, "sh", "-c", f"chmod 0755 /usr/bin/nvidia-smi && echo '{gpu}' >/etc/standin-gpu")
