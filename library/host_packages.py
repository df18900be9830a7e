#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: install packages, and name the source, package or lock that prevents it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_packages
short_description: Install packages with apt-get or dnf, and say what prevents it
description:
  - Installs what is missing and touches nothing else; with all of it installed nothing is asked or fetched.
  - Refreshes the lists of packages first. A source that can't be read is a warning as long as the packages can be
    installed without it.
  - A failure names the source and its file, the package, or the program that holds the lock, and what to do about it.
  - Needs neither C(python3-apt) nor C(python3-dnf) on the host.
options:
  name:
    description: "Packages; C(NAME=VERSION) asks for a version."
    type: list
    elements: str
    required: true
  recommends: {description: Whether recommended packages are installed as well., type: bool, default: false}
  removals: {description: Whether packages that are in the way may be removed., type: bool, default: false}
  downgrades: {description: Whether a package may become older., type: bool, default: false}
  held: {description: Whether packages that are held back may change., type: bool, default: false}
  lock_timeout:
    description: Seconds to wait for another program that works with packages.
    type: float
    default: 300
extends_documentation_fragment: twinport
"""

EXAMPLES = r"""
- name: Install nftables
  host_packages:
    name: [nftables]
"""

RETURN = r"""
missing: {description: The packages that were or would be installed., type: list, elements: str, returned: success}
"""

import os
import shutil
from typing import List, Sequence

from ansible.module_utils.apt_commands import Outcome, apt_get, folders, install_arguments, patient
from ansible.module_utils.apt_messages import Fault, faults, sentence
from ansible.module_utils.apt_probe import with_files
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_installation import missing
from ansible.module_utils.docker_probe import installed_packages

_REFRESH_S, _INSTALL_S = 900, 3600
_LAST_LINES = 4
_OUTPUT_LIMIT = 20_000


class Packages:
    """The packages that the host lacks, and the ways to get them."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        wanted = [name.partition("=") for name in module.params["name"]]
        pins = {name: version for name, _equals, version in wanted if version}
        self.missing = missing(tuple(name for name, _equals, _version in wanted), installed_packages(), pins)

    def install(self) -> None:
        """Install what is missing, and report."""
        if self.missing and not self.module.check_mode:
            if shutil.which("apt-get"):
                self.with_apt()
            else:
                self.with_dnf()
        after = "".join(name + "\n" for name in self.missing)
        self.module.exit_json(changed=bool(self.missing), missing=self.missing, diff={"before": "", "after": after})

    def with_apt(self) -> None:
        """Refresh the lists, then install; what can't be refreshed matters only if the installation fails."""
        wait = self.module.params["lock_timeout"]
        refreshed = patient(lambda: apt_get(["update"], _REFRESH_S), wait)
        unread = [] if not refreshed.code and "Err:" not in refreshed.text else faults(refreshed.text)
        command = install_arguments(self.missing, self.module.params)
        done = patient(lambda: apt_get(command, _INSTALL_S), wait)
        if done.code:
            self.fail(done, [*faults(done.text), *unread])
        for fault in unread:
            self.module.warn("A source of packages can't be read: " + sentence(with_files([fault], _etc())))

    def with_dnf(self) -> None:
        """Install; dnf refreshes by itself and waits for its lock."""
        program = shutil.which("dnf") or shutil.which("yum") or "dnf"
        names = [name.replace("=", "-") for name in self.missing]
        command = [program, "--assumeyes", "install", *names]
        code, out, err = self.module.run_command(command, environ_update={"LC_ALL": "C"}, handle_exceptions=False)
        if code:
            self.fail(Outcome(code, out + err), [])

    def fail(self, done: Outcome, found: Sequence[Fault]) -> None:
        """End the task with a sentence."""
        unique = list(dict.fromkeys(with_files(found, _etc())))
        why = sentence(unique) or "; ".join(_last_lines(done.text)) or "no reason was given"
        late = " It took too long." if done.code == 124 else ""
        self.module.fail_json(
            msg="{0} can't be installed.{1} {2}".format(", ".join(self.missing), late, why),
            rc=done.code,
            stdout=done.text[-_OUTPUT_LIMIT:],
        )


def _etc() -> str:
    return folders().get("etc", os.sep + "etc/apt")


def _last_lines(text: str) -> List[str]:
    return [line.strip() for line in text.splitlines() if line.strip()][-_LAST_LINES:]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "required": True},
            "recommends": {"type": "bool", "default": False},
            "removals": {"type": "bool", "default": False},
            "downgrades": {"type": "bool", "default": False},
            "held": {"type": "bool", "default": False},
            "lock_timeout": {"type": "float", "default": 300},
        },
        supports_check_mode=True,
    )
    Packages(module).install()


if __name__ == "__main__":
    main()
