"""Which ports a run has opened in the host's own firewall."""

from __future__ import annotations

from filter_plugins.opened_ports import opened_ports


def test_only_what_this_run_has_opened_is_noted_and_never_ssh() -> None:
    task = {
        "results": [
            {"changed": True, "item": {"port": 8383}},
            {"changed": False, "item": {"port": 9090}},
            {"changed": True, "item": {"port": "22"}},
            {"changed": True, "item": {"port": 53, "protocol": "udp"}},
        ]
    }
    assert opened_ports(task, "ufw", [22]) == ["ufw 8383/tcp", "ufw 53/udp"]
    assert opened_ports({"skipped": True}, "firewalld", [22]) == []
