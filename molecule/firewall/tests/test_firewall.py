"""What the firewall lets through, asked from this machine, from a neighbour on the network and from the host itself."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
INVENTORY = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "inventory"
CONTAINERS = {"entry-video": 8383, "entry-voice": 9090, "foreign": 5000}
DAEMON_PORT = 7777
DAEMON = f"systemd-run --quiet --unit=foreign busybox nc -ll -p {DAEMON_PORT} -e /bin/true"


def docker(*arguments: str) -> str:
    """Run the outer Docker; what it complains about is in the test's report."""
    done = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def address_of(name: str, kind: str) -> str:
    """One of a host's addresses on the scenario's network."""
    return docker(
        "inspect", "--format", f'{{{{(index .NetworkSettings.Networks "twinport-dual").{kind}}}}}', name
    ).strip()


def answers(address: str, port: int, timeout: float = 1) -> bool:
    """Tell whether a TCP connection from this machine is accepted."""
    try:
        with socket.create_connection((address, port), timeout=timeout):
            return True
    except OSError:
        return False


def answer(addresses: tuple[str, str], port: int) -> bool:
    """Tell whether a port answers over IPv4 and over IPv6."""
    return all(answers(address, port) for address in addresses)


def closed(addresses: tuple[str, str], port: int) -> bool:
    """Tell whether a port answers over neither."""
    return not any(answers(address, port) for address in addresses)


def eventually(addresses: tuple[str, str], port: int, seconds: float = 30) -> bool:
    """Wait until a port answers over both."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer(addresses, port):
            return True
        time.sleep(0.5)
    return False


def playbook(host_name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the firewall's role again on one host."""
    command = [
        "ansible-playbook",
        "--inventory",
        str(INVENTORY),
        "--limit",
        host_name,
        *arguments,
        "playbooks/host.yml",
    ]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def name(host: Host) -> str:
    """The host's name in the inventory."""
    return str(host.backend.get_hostname())


@pytest.fixture(scope="module")
def ssh_port(host: Host) -> int:
    """The port that SSH listens on."""
    return int(host.backend.get_variables().get("ansible_port", 22))


@pytest.fixture(scope="module")
def addresses(name: str) -> tuple[str, str]:
    """The host's IPv4 and IPv6 addresses as this machine sees them."""
    return address_of(name, "IPAddress"), address_of(name, "GlobalIPv6Address")


@pytest.fixture(scope="module", autouse=True)
def listeners(name: str) -> Iterator[None]:
    """Both entries and a foreign service as published containers on their own network, and one on the host."""
    run = ["exec", name, "sh", "-c"]
    docker(
        *run,
        "tar -c -C /usr/bin busybox | docker import - busybox && docker network create --subnet 10.77.0.0/24 inner",
    )
    for container, port in CONTAINERS.items():
        docker(*run, f"docker run -d --restart always --name {container} --network inner -p {port}:{port} "
                     f"busybox /busybox httpd -f -p {port} -h /")  # fmt: skip
    docker(*run, DAEMON)
    yield
    docker(*run, f"docker rm -f {' '.join(CONTAINERS)}; docker network rm inner; systemctl stop foreign; true")


def test_ssh_and_both_entries_answer(addresses: tuple[str, str], ssh_port: int) -> None:
    assert all(eventually(addresses, port) for port in (ssh_port, 8383, 9090))


def test_nothing_else_answers(addresses: tuple[str, str]) -> None:
    assert answer(addresses, 9090), "the address is right, so closed ports are closed by the firewall"
    assert closed(addresses, CONTAINERS["foreign"])
    assert closed(addresses, DAEMON_PORT)


def test_the_host_itself_reaches_closed_ports(name: str) -> None:
    for port in (CONTAINERS["foreign"], DAEMON_PORT):
        docker("exec", name, "busybox", "nc", "-w", "3", "127.0.0.1", str(port), "-e", "/bin/true")


def test_containers_reach_each_other_and_the_outside(name: str) -> None:
    inside = "docker run --rm --network inner busybox /busybox"
    docker("exec", name, "sh", "-c", f"{inside} wget -qO /dev/null http://foreign:5000/busybox")
    with socket.create_server(("", 0)) as server:
        gateway = docker("exec", name, "sh", "-c", "ip -4 route show default").split()[2]
        port = server.getsockname()[1]
        docker("exec", name, "sh", "-c", f"{inside} nc -w 5 {gateway} {port} -e /busybox true")


def test_a_neighbour_cannot_route_to_a_container(name: str) -> None:
    neighbour = "twinport-firewalld" if name == "twinport-ufw" else "twinport-ufw"
    via = address_of(name, "IPAddress")
    target = docker(
        "exec", name, "docker", "inspect", "--format", "{{.NetworkSettings.Networks.inner.IPAddress}}", "foreign"
    ).strip()
    docker("exec", neighbour, "ip", "route", "add", f"{target}/32", "via", via)
    try:
        tried = subprocess.run(
            ["docker", "exec", neighbour, "busybox", "nc", "-w", "3", target, "5000", "-e", "/bin/true"], check=False
        )
        assert tried.returncode != 0
    finally:
        docker("exec", neighbour, "ip", "route", "del", f"{target}/32")


def test_the_hosts_own_firewall_knows_the_entries(name: str) -> None:
    if name == "twinport-ufw":
        rules = docker("exec", name, "ufw", "status")
        assert all(f"{port}/tcp" in rules for port in (8383, 9090))
    else:
        assert {"8383/tcp", "9090/tcp"} <= set(docker("exec", name, "firewall-cmd", "--list-ports").split())


def test_it_outlives_docker_and_the_hosts_own_firewall(name: str, addresses: tuple[str, str]) -> None:
    reload = "ufw reload" if name == "twinport-ufw" else "firewall-cmd --reload"
    docker("exec", name, "sh", "-c", f"systemctl restart docker && {reload}")
    assert eventually(addresses, 8383)
    assert closed(addresses, CONTAINERS["foreign"])


def test_source_ranges_hold(name: str, addresses: tuple[str, str]) -> None:
    mine = '["192.0.2.0/24", "2001:db8::/32"]'
    done = playbook(
        name,
        "--extra-vars",
        f'{{"firewall_video_sources": {mine}, "firewall_extra_ports": [{{"port": {DAEMON_PORT}}}]}}',
    )
    assert done.returncode == 0, done.stdout
    assert closed(addresses, 8383)
    assert answer(addresses, 9090)
    assert answer(addresses, DAEMON_PORT)


def test_a_table_changed_by_hand_is_restored(name: str, addresses: tuple[str, str]) -> None:
    docker("exec", name, "nft", "flush", "chain", "inet", "twinport", "outside")
    # Docker translates IPv4 past the host's own firewall; IPv6 goes through its proxy, which that firewall judges.
    assert answers(addresses[0], CONTAINERS["foreign"])
    done = playbook(name)
    assert done.returncode == 0, done.stdout
    assert closed(addresses, CONTAINERS["foreign"])
    assert answer(addresses, 8383)


def test_a_table_with_other_comments_alone_is_kept(name: str, addresses: tuple[str, str]) -> None:
    docker("exec", name, "sed", "-i", "s/^# Written by .*/# From another version/", "/etc/twinport/firewall.nft")
    done = playbook(name)
    assert done.returncode == 0, done.stdout
    assert "# Written by" in docker("exec", name, "head", "-1", "/etc/twinport/firewall.nft")
    assert answer(addresses, 9090)


def test_a_firewall_that_cuts_the_connection_undoes_itself(
    name: str, addresses: tuple[str, str], ssh_port: int
) -> None:
    before = docker("exec", name, "nft", "--stateless", "list", "table", "inet", "twinport")
    done = playbook(name, "--extra-vars", '{"firewall_ssh_sources": ["192.0.2.1"]}')
    assert done.returncode != 0
    assert eventually(addresses, ssh_port)
    assert docker("exec", name, "nft", "--stateless", "list", "table", "inet", "twinport") == before


def test_it_is_there_again_after_a_reboot(name: str, addresses: tuple[str, str], ssh_port: int) -> None:
    docker("restart", name)
    assert all(eventually(addresses, port) for port in (ssh_port, 8383, 9090))
    docker("exec", name, "sh", "-c", DAEMON)
    assert closed(addresses, CONTAINERS["foreign"])
    assert closed(addresses, DAEMON_PORT)
