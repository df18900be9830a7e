#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: what a firewall must know about a host before it closes any port."""

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_survey
short_description: Tell on which ports SSH answers, which firewalls are active, and what of ours is in force
description:
  - "Finds SSH three ways: the connection that carries this task, the sockets that sshd (or systemd for it) listens on,
    and sshd's own configuration."
  - Changes nothing.
options:
  table: {description: Name of our table., type: str, required: true}
  path: {description: Path of its confirmed ruleset., type: path, required: true}
  state_dir: {description: As in M(nftables_table)., type: path, required: true}
  unit: {description: File of the unit that loads the table at every boot., type: path, required: true}
extends_documentation_fragment: twinport.read_only
"""

EXAMPLES = r"""
- name: Survey the host's network
  firewall_survey:
    table: twinport
    path: /etc/twinport/firewall.nft
    state_dir: /var/lib/twinport/firewall
    unit: /etc/systemd/system/twinport-firewall.service
  register: firewall_survey
"""

RETURN = r"""
ssh_ports: {description: Ports on which SSH answers., type: list, elements: int, returned: success}
outside: {description: Interfaces of the default routes., type: list, elements: str, returned: success}
nft: {description: Whether the program nft is installed., type: bool, returned: success}
ruleset:
  description: The confirmed ruleset, empty where the kernel's table is not the one that was loaded from it.
  type: str
  returned: success
unit: {description: "The unit's text, empty where it is not root's with mode 0644.", type: str, returned: success}
persistent: {description: Whether Twinport's table is loaded at every boot., type: bool, returned: success}
ufw: {description: Whether ufw is active., type: bool, returned: success}
firewalld: {description: Whether firewalld is running., type: bool, returned: success}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.host_commands import output_of, root_text_of, text_of
from ansible.module_utils.nft_table import kernel_table, nft_program
from ansible.module_utils.socket_table import default_interfaces
from ansible.module_utils.ssh_probe import ssh_ports


def ruleset_in_force(table: str, path: str, state_dir: str) -> str:
    """The ruleset of the file at ``path`` where the kernel's table is the one that was loaded from it, else ""."""
    live = kernel_table(table)
    return text_of(path) if live and live == text_of(str(Path(state_dir) / "loaded.txt")) else ""


def main() -> None:
    """Probe and report."""
    module = AnsibleModule(
        argument_spec={
            "table": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "state_dir": {"type": "path", "required": True},
            "unit": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    module.exit_json(
        changed=False,
        ssh_ports=sorted(ssh_ports()),
        outside=sorted(default_interfaces(text_of("/proc/net/route"), text_of("/proc/net/ipv6_route"))),
        nft=Path(nft_program()).exists(),
        ruleset=ruleset_in_force(params["table"], params["path"], params["state_dir"]),
        unit=root_text_of(params["unit"]),
        persistent=all(
            output_of(["systemctl", question, "twinport-firewall"]).strip() == answer
            for question, answer in (("is-enabled", "enabled"), ("is-active", "active"))
        ),
        ufw="Status: active"
        in output_of(["ufw", "status"], env={"LANG": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}),
        firewalld=output_of(["firewall-cmd", "--state"]).strip() == "running",
    )


if __name__ == "__main__":
    main()
