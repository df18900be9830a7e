"""What our containers may do and reach, asked of the running ones: docs/security.md, "Containers"."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from entries import CONTAINERS, until
from testinfra.host import Host

ENGINES = {"cosyvoice-engine", "duix-avatar-gen-video"}
SEALED = CONTAINERS - ENGINES
OWN_FOLDERS = ("/var/lib/twinport/", "/etc/twinport/", "/opt/twinport/", "/var/lib/docker/volumes/")
CAPABILITIES = {"duix-avatar-gen-video": ["DAC_OVERRIDE"]}
METADATA = ["169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16"]
PRIVATE = ["10.99.0.1", "192.168.99.1"]
# Of TEST-NET-3: nobody's, and as good as anybody's on the internet.
PUBLIC = "203.0.113.10"
PORT = 7878
SERVER = f"-m http.server {PORT} --directory /srv/outside"
# A network behind the host, with all those addresses in it.
CLOUD = f"""\
set -e
mkdir -p /srv/outside
ip netns add cloud
ip link add cloud0 type veth peer name host0 netns cloud
ip address add 203.0.113.1/24 dev cloud0
ip link set cloud0 up
ip -n cloud link set lo up
ip -n cloud link set host0 up
ip -n cloud address add {PUBLIC}/24 dev host0
ip -n cloud route add default via 203.0.113.1
for address in {" ".join(METADATA + PRIVATE)}; do
  ip -n cloud address add $address/32 dev host0
  ip route replace $address/32 via {PUBLIC}
done
systemd-run --quiet --unit=cloud ip netns exec cloud python3 {SERVER}
systemd-run --quiet --unit=stranger python3 {SERVER}
"""
NO_CLOUD = "systemctl stop cloud stranger; ip netns delete cloud; ip link delete cloud0; true"


def inspected(host: Host, name: str) -> dict[str, Any]:
    """What Docker says of a container."""
    (found,) = json.loads(host.check_output(f"docker inspect {name}"))
    return dict(found)


def reached(host: Host, targets: list[tuple[str, int]], container: str = "") -> set[tuple[str, int]]:
    """Where connections are accepted, from a container or from the host itself; all are tried at once."""
    one = "(timeout 3 bash -c '</dev/tcp/{0}/{1}' && echo {0} {1}) &"
    tries = [one.format(*target) for target in targets]
    inside = f"docker exec {container} " if container else ""
    answer = host.check_output(f"{inside}bash -c {shlex.quote(' '.join([*tries, 'wait']))}")
    return {(address, int(port)) for address, port in map(str.split, answer.splitlines())}


@pytest.fixture(scope="module")
def cloud(host: Host) -> Iterator[None]:
    """A metadata service, private neighbours and the internet, and a port of the host's own; all of them answer."""
    host.run(NO_CLOUD)
    host.check_output(CLOUD)
    listening = {(address, PORT) for address in [PUBLIC, "127.0.0.1"]}
    until(60, lambda: reached(host, list(listening)) == listening or None)
    yield
    host.run(NO_CLOUD)


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_the_benchmarks_rules_for_containers_hold(host: Host, name: str) -> None:
    """CIS Docker Benchmark 1.7, chapter 5; the numbers are its."""
    found = inspected(host, name)
    settings = found["HostConfig"]
    assert settings["CapDrop"] == ["ALL"]  # 5.4
    assert [one.removeprefix("CAP_") for one in settings["CapAdd"] or []] == CAPABILITIES.get(name, [])
    assert settings["Privileged"] is False  # 5.5
    mounted = [mount["Source"] for mount in found["Mounts"]]
    assert all(source.startswith(OWN_FOLDERS) for source in mounted)  # 5.6
    assert not any(source.endswith("docker.sock") for source in mounted)  # 5.32
    assert settings["NetworkMode"] not in ("host", "default", "bridge")  # 5.10, 5.30
    assert settings["Memory"] > 0  # 5.11
    assert {mount["Propagation"] for mount in found["Mounts"]} <= {"", "rprivate"}  # 5.20
    shared = [settings[kind] for kind in ("PidMode", "IpcMode", "UTSMode", "UsernsMode")]
    assert "host" not in shared  # 5.16, 5.17, 5.21, 5.31
    assert not settings["Devices"]  # 5.18
    assert settings["SecurityOpt"] == ["no-new-privileges:true"]  # 5.22 and 5.26: no profile is switched off
    assert found["State"]["Health"]["Status"] == "healthy"  # 5.27
    assert settings["PidsLimit"] > 0  # 5.29


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_the_kernel_says_so_too(host: Host, name: str) -> None:
    status = host.check_output(f"docker exec {name} cat /proc/1/status").splitlines()
    values = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    dac_override = 1 << 1
    assert int(values["CapBnd"], 16) == (dac_override if name in CAPABILITIES else 0)
    assert values["NoNewPrivs"] == "1"
    assert values["Seccomp"] == "2"


@pytest.mark.parametrize("name", sorted(SEALED))
def test_what_is_ours_alone_is_no_root_and_writes_only_where_it_must(host: Host, name: str) -> None:
    assert inspected(host, name)["HostConfig"]["ReadonlyRootfs"]  # 5.13
    assert host.check_output(f"docker exec {name} id -u") == "8390"  # 4.1
    for place in ("/", "/usr", "/srv", "/etc"):
        assert host.run(f"docker exec {name} touch {place}/written").rc != 0


@pytest.mark.usefixtures("cloud")
def test_only_the_speech_engine_reaches_the_internet(host: Host) -> None:
    target = [(PUBLIC, PORT)]
    assert reached(host, target)
    assert {name for name in CONTAINERS if reached(host, target, name)} == {"cosyvoice-engine"}


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_no_container_reaches_a_metadata_service_or_a_private_network(host: Host, name: str) -> None:
    targets = [(address, PORT) for address in METADATA + PRIVATE]
    assert reached(host, targets) == set(targets), "the host reaches them, so that who does not is kept from them"
    assert reached(host, targets, name) == set()


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_no_container_reaches_a_port_of_the_host(host: Host, name: str) -> None:
    listed = json.loads(host.check_output("ip -json -4 address show"))
    own = {entry["local"]: link["ifname"] for link in listed for entry in link["addr_info"] if link["ifname"] != "lo"}
    assert sum(bridge.startswith("tp-") for bridge in own.values()) == 5
    targets = [(address, port) for address in own for port in (PORT, 8383, 9090)]
    assert reached(host, targets) == set(targets)
    assert reached(host, targets, name) == set()
