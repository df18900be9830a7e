#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: a host's NVIDIA driver and container toolkit."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_survey
short_description: Report which NVIDIA driver and toolkit packages a host has
description:
  - Queries nvidia-smi, the package manager and Docker. Changes nothing.
options:
  packages: {description: Packages the host must have., type: list, elements: str, required: true}
  version: {description: The version all of them are pinned to., type: str, required: true}
extends_documentation_fragment: twinport.read_only
"""

EXAMPLES = r"""
- name: Survey the GPU's software
  nvidia_survey:
    packages: [nvidia-container-toolkit]
    version: 1.20.0-1
  register: nvidia_survey
"""

RETURN = r"""
system:
  description: "The operating system: id, family, version, codename, name, architecture, kernel."
  type: dict
  returned: success
fault: {description: Why nvidia-smi lists no cards; empty where it does., type: str, returned: success}
cards:
  description: "The cards: index, name, driver, memory_mib, capability."
  type: list
  elements: dict
  returned: success
modules:
  description: Kernel modules that the cards on the PCI bus need, C(open), C(proprietary), or empty for either.
  type: str
  returned: success
missing: {description: Packages to install as NAME=VERSION., type: list, elements: str, returned: success}
driver_packages: {description: Installed packages of the driver., type: list, elements: str, returned: success}
archive:
  description: Address of the distribution's own package archive, empty where apt names none.
  type: str
  returned: success
docker: {description: Version of the running Docker, empty where none answers., type: str, returned: success}
"""

import dataclasses
import platform
import re
from pathlib import Path

from ansible.module_utils.apt_sources import uris
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_installation import missing
from ansible.module_utils.docker_probe import installed_packages
from ansible.module_utils.host_commands import output_of, text_of
from ansible.module_utils.nvidia_cards import needed_modules
from ansible.module_utils.nvidia_probe import ask_cards, pci_devices
from ansible.module_utils.os_release import deb_architecture, parse_os_release

# The driver's packages of Debian, Ubuntu and NVIDIA's own repository; the container toolkit's have other names.
_DRIVER_PACKAGE = re.compile(
    r"^(nvidia-(driver|open|kernel|dkms|firmware|utils|compute-utils|smi)|cuda-drivers|kmod-nvidia"
    r"|libnvidia-(compute|ml|cfg|decode|encode)|linux-modules-nvidia)"
)


def archive() -> str:
    """The first address in the host's own package sources."""
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))]:
        for uri in uris(text_of(str(path)), path.suffix == ".sources"):
            return uri
    return ""


def main() -> None:
    """Probe and report."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "required": True},
            "version": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    installed = installed_packages()
    cards = ask_cards()
    pins = dict.fromkeys(module.params["packages"], module.params["version"])
    module.exit_json(
        changed=False,
        system=dict(
            dataclasses.asdict(parse_os_release(text_of("/etc/os-release"))),
            architecture=deb_architecture(platform.machine()),
            kernel=platform.release(),
        ),
        fault=cards.fault,
        cards=[dataclasses.asdict(card) for card in cards.cards],
        modules=needed_modules(pci_devices()),
        missing=missing(tuple(module.params["packages"]), installed, pins),
        driver_packages=sorted(name for name in installed if _DRIVER_PACKAGE.match(name)),
        archive=archive(),
        docker=output_of(["docker", "info", "--format", "{{.ServerVersion}}"], seconds=30).strip(),
    )


if __name__ == "__main__":
    main()
