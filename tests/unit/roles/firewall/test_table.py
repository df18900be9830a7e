"""The firewall's table, rendered as on a host and read by nft itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.played_roles import run_playbook
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow

ROLE = ROOT / "roles/firewall"
PLAY = f"""\
- hosts: localhost
  connection: local
  gather_facts: false
  vars_files: [{ROLE}/defaults/main.yml, {ROLE}/vars/main.yml]
  tasks:
    - ansible.builtin.template:
        src: {ROLE}/templates/table.nft.j2
        dest: "{{{{ table }}}}"
        mode: "0600"
"""


def chains(folder: Path, **variables: object) -> dict[str, list[str]]:
    """The rules of each chain, in order; nft has found no fault with them."""
    playbook, table = folder / "play.yml", folder / "table.nft"
    playbook.write_text(PLAY, encoding="utf-8")
    survey = {"outside": ["eth0"], "ssh_ports": [22]}
    values = {"ansible_python_interpreter": sys.executable, "firewall_survey": survey, "table": str(table)}
    status, output = run_playbook(playbook, {**values, **variables}, inventory="localhost,")
    assert status == 0, output
    subprocess.run(["/usr/sbin/nft", "--check", "--file", str(table)], check=True)
    found: dict[str, list[str]] = {}
    for line in map(str.strip, table.read_text(encoding="utf-8").splitlines()):
        if line.startswith("chain "):
            rules = found.setdefault(line.split()[1], [])
        elif found and line not in ("", "}"):
            rules.append(line)
    return found


def test_our_containers_are_judged_before_other_containers_are_trusted(tmp_path: Path) -> None:
    found = chains(tmp_path)
    for chain, target in (("inbound", "containers_to_host"), ("transit", "from_containers")):
        ours, others = f'iifname "tp-*" goto {target}', 'iifname "br-*" accept'
        assert found[chain].index(ours) < found[chain].index(others)


def test_no_private_address_is_open_unless_it_is_named(tmp_path: Path) -> None:
    found = chains(tmp_path)["to_internet"]
    assert [rule for rule in found if rule.endswith("accept")] == ["meta l4proto { tcp, udp } th dport 53 accept"]


@pytest.mark.parametrize(
    ("proxy", "rule"),
    [
        ("http://me:secret@10.1.2.3:3128", "ip daddr { 10.1.2.3 } accept"),
        ("http://[fd00::7]:3128/", "ip6 daddr { fd00::7 } accept"),
        ("http://proxy.example:3128", ""),
    ],
)
def test_a_proxy_with_a_private_address_stays_reachable(tmp_path: Path, proxy: str, rule: str) -> None:
    found = chains(tmp_path, firewall_http_proxy=proxy)
    opened = [one for one in found["to_internet"] if "daddr {" in one and one.endswith("accept")]
    assert opened == ([rule] if rule else [])
    # It may as well run on the host.
    on_the_host = [one for one in found["containers_to_host"] if "daddr {" in one]
    assert on_the_host == ([f'iifname "tp-out-*" {rule}'] if rule else [])
