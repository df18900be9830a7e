#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: prove that containers see the GPUs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_container_probe
short_description: Use every GPU in a container the way the engines get theirs
description:
  - Makes a small image out of the host's own shell, Python and C library, so that no registry is needed, starts a
    container of it with the NVIDIA runtime and compares the GPUs seen inside with those of the host.
  - Then copies a page to each GPU and back through C(libcuda.so.1), for C(nvidia-smi) may work while no program
    can compute. A host whose Python has no ctypes is not asked for that, with a warning.
  - Leaves neither container nor image behind. In check mode it does nothing.
options:
  arguments:
    description: Options of C(docker run) that give it the GPUs.
    type: list
    elements: str
    default: ["--runtime=nvidia", "--gpus=all"]
  reload:
    description: Whether systemd is reloaded in between, to prove that the container keeps its GPUs.
    type: bool
    default: false
extends_documentation_fragment: twinport.read_only
"""

EXAMPLES = r"""
- name: Check that a container sees the GPUs
  gpu_container_probe:
"""

RETURN = r"""
gpus: {description: Unique ids of the GPUs seen in the container., type: list, elements: str, returned: success}
computed: {description: Whether a page was copied to each of them and back., type: bool, returned: success}
"""

import inspect
import io
import os
import re
import sys
import tarfile
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from ansible.module_utils import cuda_work
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.python_files import python_files

_NAME = "twinport-gpu-probe"
_FOLDERS = ("bin", "dev", "etc", "etc/ld.so.conf.d", "proc", "root", "run", "sys", "tmp", "usr", "usr/bin", "var")
_QUERY = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
_CURES = (
    (
        "could not select device driver",
        "Docker does not know the NVIDIA toolkit. Restart Docker (systemctl restart docker) and run this again.",
    ),
    (
        "runtime name: nvidia",
        "Docker does not know the runtime 'nvidia' yet. Restart Docker (systemctl restart docker).",
    ),
    ("driver not loaded", "The NVIDIA driver is not loaded: reboot the server."),
    ("Driver/library version mismatch", "The driver was upgraded under the running kernel: reboot the server."),
    (
        "Failed to initialize NVML: Unknown Error",
        "Containers lose the GPU when systemd reloads. Set nvidia_container_toolkit_cgroup_driver to 'cgroupfs'.",
    ),
    ("cuInit failed", "nvidia-smi works, but no program can compute: reboot the server, then install another driver."),
    (
        "libcuda.so.1",
        "The driver lacks its compute library: install the package libcuda1 (Debian) or libnvidia-compute.",
    ),
)


class GpuContainerProbe:
    """A throw-away image and container."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.docker = module.get_bin_path("docker", required=True)
        self.python = python_files(self.libraries)

    def run(self) -> None:
        """Compare the GPUs inside with those outside."""
        code, output, error = self.module.run_command(_QUERY)
        if code:
            self.module.fail_json(msg="nvidia-smi fails on the host itself: {0}".format((error or output).strip()))
        outside = _uuids(output)
        try:
            inside = self.cards_inside()
        finally:
            self.module.run_command([self.docker, "rm", "--force", _NAME])
            self.module.run_command([self.docker, "rmi", _NAME])
        if inside != outside:
            self.module.fail_json(msg="The host has the GPUs {0}, but a container sees {1}.".format(outside, inside))
        if not self.python:
            self.module.warn("This host's Python has no ctypes, so only nvidia-smi was tried in a container.")
        self.module.exit_json(changed=False, gpus=inside, computed=bool(self.python))

    def cards_inside(self) -> List[str]:
        """The GPUs that the container sees; with `reload`, also after systemd has reloaded."""
        self.docker_run(["import", "-", _NAME], data=self.root_file_system())
        # With its input left open, "read" waits until the container is stopped.
        self.docker_run(
            ["run", "--detach", "--interactive", "--name", _NAME, "--network=none", *self.module.params["arguments"],
             "--env=NVIDIA_VISIBLE_DEVICES=all", "--env=NVIDIA_DRIVER_CAPABILITIES=compute,utility",
             "--env=PATH=/usr/bin:/bin", _NAME, "/bin/sh", "-c", "read line"]
        )  # fmt: skip
        inside = self.look()
        if self.module.params["reload"]:
            self.module.run_command(["systemctl", "daemon-reload"], check_rc=True)
            inside = self.look()
        return inside

    def look(self) -> List[str]:
        """The GPUs that the container sees, each of which has done a piece of work."""
        inside = _uuids(self.docker_run(["exec", _NAME, *_QUERY]))
        if self.python:
            code = inspect.getsource(cuda_work)
            number = self.docker_run(["exec", _NAME, sys.executable, "-I", "-S", "-c", code]).strip()
            if number != str(len(inside)):
                self.module.fail_json(
                    msg="nvidia-smi shows {0} GPUs in a container, programs there can use {1}.".format(
                        len(inside), number
                    )
                )
        return inside

    def docker_run(self, arguments: Sequence[str], data: Optional[bytes] = None) -> str:
        """Run one docker command; fail the task with its error and the known remedy."""
        code, output, error = self.module.run_command([self.docker, *arguments], data=data, binary_data=True)
        if code:
            message = (error.strip() or output.strip())[-1500:]
            cures = [cure for text, cure in _CURES if text in message]
            self.module.fail_json(msg=" ".join(["Containers can't use the GPU:", message, *cures[:1]]))
        return str(output)

    def root_file_system(self) -> bytes:
        """A tar of the host's shell and Python, and of the libraries that they and nvidia-smi need."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for folder in _FOLDERS:
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            for name, source in sorted(self.files().items()):
                tar.add(source, arcname=name.lstrip("/"))
        return stream.getvalue()

    def files(self) -> Dict[str, str]:
        """What the image holds, by its place in there."""
        shell = ["/bin/sh", *self.libraries("/bin/sh"), *self.libraries(self.module.get_bin_path("nvidia-smi"))]
        return dict({name: os.path.realpath(name) for name in shell}, **self.python)

    def libraries(self, program: str) -> List[str]:
        """Libraries of a program by the names that its loader looks up; none for a script."""
        code, output, _error = self.module.run_command(["ldd", program])
        paths = re.findall(r"(/\S+) \(0x", output) if code == 0 else []
        return [path for path in paths if "nvidia" not in Path(path).name]


def _uuids(output: str) -> List[str]:
    return sorted(line.strip() for line in output.splitlines() if line.strip())


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "arguments": {"type": "list", "elements": "str", "default": ["--runtime=nvidia", "--gpus=all"]},
            "reload": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, gpus=[], computed=False)
    GpuContainerProbe(module).run()


if __name__ == "__main__":
    main()
