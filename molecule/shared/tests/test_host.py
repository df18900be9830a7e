"""What a host looks like after site.yml, seen from inside it and from this machine outside."""

from __future__ import annotations

import json
import socket
import time

from testinfra.host import Host

CONTAINERS = {"cosyvoice-engine", "voice-gateway", "duix-avatar-gen-video", "video-gateway"}
OPEN_PORTS = {22, 8383, 9090}
# What the engines, Docker, a careless operator or a database would listen on.
TEMPTING_PORTS = {
    21,
    23,
    25,
    80,
    111,
    443,
    2375,
    2376,
    3000,
    3306,
    5000,
    5432,
    6379,
    7860,
    8000,
    8080,
    8384,
    9091,
    50000,
}


def answers(address: str, port: int) -> bool:
    """Tell whether a TCP connection from this machine is accepted."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def containers(host: Host) -> list[dict[str, str]]:
    """The running containers as Docker lists them."""
    listing = host.check_output("docker ps --format '{{json .}}'")
    return [json.loads(line) for line in listing.splitlines()]


def test_the_four_containers_run_and_are_healthy(host: Host) -> None:
    running = containers(host)
    assert {container["Names"] for container in running} == CONTAINERS
    assert all("(healthy)" in container["Status"] for container in running), running


def test_only_gateways_publish_ports(host: Host) -> None:
    published = {container["Names"]: container["Ports"] for container in containers(host) if "->" in container["Ports"]}
    assert set(published) == {"voice-gateway", "video-gateway"}


def test_what_the_inventory_adds_to_an_environment_arrives_and_is_kept_from_others(host: Host) -> None:
    assert host.check_output("docker exec cosyvoice-engine printenv DIFFICULT_PASSWORD") == 'a$b ${HOME} "c" #d'
    for stack in ("voice", "video"):
        assert host.file(f"/opt/twinport/{stack}/compose.override.yaml").mode == 0o600
        assert "DIFFICULT" not in host.file(f"/opt/twinport/{stack}/compose.yaml").content_string


def test_nothing_but_ssh_and_the_two_entries_answers_from_outside(host: Host, address: str) -> None:
    listening = {int(line.split()[3].rsplit(":", 1)[1]) for line in host.check_output("ss -Htln").splitlines()}
    tried = listening | TEMPTING_PORTS | OPEN_PORTS
    assert {port for port in tried if answers(address, port)} == OPEN_PORTS


def test_a_port_that_docker_publishes_later_stays_closed(host: Host, address: str) -> None:
    image = host.check_output("docker inspect --format '{{.Config.Image}}' voice-gateway")
    host.check_output(
        f"docker run --rm --detach --name stranger --publish 5001:5001 --entrypoint python3 {image} -m http.server 5001"
    )
    try:
        assert wait_for(
            lambda: host.run("python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:5001\")'").rc == 0
        )
        assert not answers(address, 5001)
    finally:
        host.check_output("docker rm --force stranger")


def test_secrets_are_readable_by_root_and_the_gateway_only(host: Host) -> None:
    for stack in ("voice", "video"):
        keys = host.file(f"/etc/twinport/{stack}/api_keys")
        assert (keys.user, keys.gid, keys.mode) == ("root", 8390, 0o640)


def wait_for(look, seconds: float = 20) -> bool:  # type: ignore[no-untyped-def]
    """Call `look` twice a second until it holds; False after `seconds`."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
