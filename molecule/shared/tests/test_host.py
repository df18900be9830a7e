"""What a host looks like after site.yml, seen from inside it and from this machine outside."""

from __future__ import annotations

import json
import socket
import time
from ipaddress import ip_network
from itertools import product

from entries import CONTAINERS, KEY, status
from testinfra.host import Host

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


def test_the_five_containers_run_and_are_healthy(host: Host) -> None:
    running = containers(host)
    assert {container["Names"] for container in running} == CONTAINERS
    assert all("(healthy)" in container["Status"] for container in running), running


def test_only_the_front_publishes_ports(host: Host) -> None:
    published = {container["Names"]: container["Ports"] for container in containers(host) if "->" in container["Ports"]}
    assert set(published) == {"twinport-front"}


def test_the_front_reaches_the_gateways_and_no_engine(host: Host) -> None:
    for name, port, reached in [
        ("voice-gateway", 9090, True),
        ("video-gateway", 8383, True),
        ("cosyvoice-engine", 50000, False),
        ("duix-avatar-gen-video", 8383, False),
    ]:
        networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        addresses = host.check_output(f"docker inspect --format '{networks}' {name}").split()
        tries = " || ".join(f"timeout 2 bash -c '</dev/tcp/{address}/{port}'" for address in addresses)
        assert (host.run(f'docker exec twinport-front bash -c "{tries}"').rc == 0) is reached, name


def test_the_front_has_no_rights_that_it_does_not_need(host: Host) -> None:
    (found,) = json.loads(host.check_output("docker inspect twinport-front"))
    settings = found["HostConfig"]
    assert found["Config"]["User"] == "8390:8390"
    assert settings["ReadonlyRootfs"]
    assert settings["CapDrop"] == ["ALL"]
    assert settings["SecurityOpt"] == ["no-new-privileges:true"]
    assert settings["PidsLimit"] == 512
    assert settings["Memory"] == 2**30


def test_the_gateways_know_their_clients_address(host: Host, address: str) -> None:
    own = socket.create_connection((address, 9090), timeout=5)
    with own:
        mine = own.getsockname()[0]
        head = b"GET /no-such-page HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 203.0.113.9\r\n"
        own.sendall(head + b"Connection: close\r\n\r\n")
        while own.recv(4096):
            pass
    lines = host.check_output("docker logs --tail 50 voice-gateway 2>&1").splitlines()
    (line,) = [line for line in lines if "/no-such-page" in line][-1:]
    assert json.loads(line)["client"] == mine


def test_an_upload_that_stops_gets_a_sentence(host: Host, address: str) -> None:
    with socket.create_connection((address, 8383), timeout=120) as upload:
        head = "POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Language: en\r\nContent-Length: 1000000\r\n"
        key = "X-API-Key: molecule-key-2\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
        upload.sendall((head + key).encode() + b"--b\r\n" + bytes(100))
        received = b""
        while block := upload.recv(4096):
            received += block
    assert received.split(b" ")[1] == b"408"
    assert json.loads(received.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"


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
        f"docker run --rm --detach --name foreign --publish 5001:5001 --entrypoint python3 {image} -m http.server 5001"
    )
    try:
        assert wait_for(
            lambda: host.run("python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:5001\")'").rc == 0
        )
        assert not answers(address, 5001)
    finally:
        host.check_output("docker rm --force foreign")


def test_secrets_are_readable_by_root_and_the_gateway_only(host: Host) -> None:
    for stack, name in product(("voice", "video"), ("api_keys", "admin_api_keys")):
        keys = host.file(f"/etc/twinport/{stack}/{name}")
        assert (keys.user, keys.gid, keys.mode) == ("root", 8390, 0o640)


def test_dockers_networks_take_no_range_that_the_host_routes_elsewhere(host: Host) -> None:
    form = "{{range .IPAM.Config}}{{.Subnet}} {{end}}"
    taken = host.check_output(f"docker network inspect --format '{form}' $(docker network ls --quiet)").split()
    routes = [
        route["dst"]
        for route in json.loads(host.check_output("ip -j -4 route show"))
        if route["dst"] != "default" and not route["dev"].startswith(("docker", "br-", "tp-"))
    ]
    assert taken
    assert routes
    assert not [(one, other) for one in taken for other in routes if ip_network(one).overlaps(ip_network(other))]


def test_only_an_administrators_key_sees_the_voices_of_all(address: str) -> None:
    voices = f"http://{address}:9090/v1/admin/voices"
    assert status(voices, "molecule-admin-key") == 200
    assert status(voices, KEY) == 401


def wait_for(look, seconds: float = 20) -> bool:  # type: ignore[no-untyped-def]
    """Call `look` twice a second until it holds; False after `seconds`."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
