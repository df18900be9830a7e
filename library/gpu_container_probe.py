#!/usr/bin/python
"""Ansible module: prove that containers see the GPUs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_container_probe
short_description: Run nvidia-smi in a container the way the engines get their GPU
description:
  - Makes a tiny image out of the host's own shell and C library, so that no registry is needed, starts a container of
    it with the NVIDIA runtime and compares the GPUs seen inside with those of the host.
  - Leaves neither container nor image behind.
options:
  arguments:
    description: What C(docker run) is given to hand over the GPUs.
    type: list
    elements: str
    default: ["--runtime=nvidia", "--gpus=all"]
  reload:
    description: Whether systemd is reloaded in between, to prove that the container keeps its GPUs.
    type: bool
    default: false
attributes:
  check_mode: {support: full, details: Does nothing in check mode.}
  diff_mode: {support: none}
  idempotent: {support: full}
author: Twinport
"""

EXAMPLES = r"""
- name: See the GPUs from a container
  gpu_container_probe:
"""

RETURN = r"""
gpus: {description: Unique ids of the GPUs seen in the container., type: list, elements: str, returned: success}
"""

import io
import os
import re
import tarfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

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
)


class GpuContainerProbe:
    """A throw-away image and container."""

    def __init__(self, module):
        self.module = module
        self.docker = module.get_bin_path("docker", required=True)

    def run(self):
        """Compare the GPUs inside with those outside."""
        code, output, error = self.module.run_command(_QUERY)
        if code:
            self.module.fail_json(msg="nvidia-smi fails on the host itself: {0}".format((error or output).strip()))
        outside = _uuids(output)
        try:
            inside = self.look_inside()
        finally:
            self.module.run_command([self.docker, "rm", "--force", _NAME])
            self.module.run_command([self.docker, "rmi", _NAME])
        if inside != outside:
            self.module.fail_json(msg="The host has the GPUs {0}, but a container sees {1}.".format(outside, inside))
        self.module.exit_json(changed=False, gpus=inside)

    def look_inside(self):
        """The GPUs that the container sees, at last and, where asked for, again after systemd has reloaded."""
        self.docker_run(["import", "-", _NAME], data=self.root_file_system())
        # With its input left open, "read" waits for as long as the container is wanted.
        self.docker_run(
            ["run", "--detach", "--interactive", "--name", _NAME, "--network=none", *self.module.params["arguments"],
             "--env=NVIDIA_VISIBLE_DEVICES=all", "--env=NVIDIA_DRIVER_CAPABILITIES=utility", "--env=PATH=/usr/bin:/bin",
             _NAME, "/bin/sh", "-c", "read line"]
        )  # fmt: skip
        inside = _uuids(self.docker_run(["exec", _NAME, *_QUERY]))
        if self.module.params["reload"]:
            self.module.run_command(["systemctl", "daemon-reload"], check_rc=True)
            inside = _uuids(self.docker_run(["exec", _NAME, *_QUERY]))
        return inside

    def docker_run(self, arguments, data=None):
        """Run one docker command; fail the task with its words and what they mean."""
        code, output, error = self.module.run_command([self.docker, *arguments], data=data, binary_data=True)
        if code:
            words = (error.strip() or output.strip())[-1500:]
            cures = [cure for text, cure in _CURES if text in words]
            self.module.fail_json(msg=" ".join(["Containers can't use the GPU:", words, *cures[:1]]))
        return output

    def root_file_system(self):
        """A tar of the host's shell and of the libraries that it and nvidia-smi need."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for folder in _FOLDERS:
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            for name in sorted(
                {"/bin/sh", *self.libraries("/bin/sh"), *self.libraries(self.module.get_bin_path("nvidia-smi"))}
            ):
                tar.add(os.path.realpath(name), arcname=name.lstrip("/"))
        return stream.getvalue()

    def libraries(self, program):
        """Libraries of a program by the names its loader asks for; none for a script."""
        code, output, _error = self.module.run_command(["ldd", program])
        paths = re.findall(r"(/\S+) \(0x", output) if code == 0 else []
        return [path for path in paths if "nvidia" not in Path(path).name]


def _uuids(output):
    text = output.decode() if isinstance(output, bytes) else output
    return sorted(line.strip() for line in text.splitlines() if line.strip())


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "arguments": {"type": "list", "elements": "str", "default": ["--runtime=nvidia", "--gpus=all"]},
            "reload": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, gpus=[])
    GpuContainerProbe(module).run()


if __name__ == "__main__":
    main()
