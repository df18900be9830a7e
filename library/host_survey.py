#!/usr/bin/python
"""Ansible module: look a host over before anything is changed, and say what will work and what will not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_survey
short_description: Tell whether a host can carry the product, and what to do where it can't
description:
  - Looks at the system, its resources, its network sources, its Docker, its ports and its GPUs, and judges each.
  - Changes nothing and needs nothing but Python; every probe is bounded in time.
options:
  gpu: {description: Whether real engines are to run., type: bool, required: true}
  control_time:
    description: The control machine's clock in seconds since 1970.
    type: float
    required: true
  root: {description: Folder of the deployment; one there lowers the wanted disk space., type: path, required: true}
  state_dir: {description: Folder of voices and models and media., type: path, required: true}
  ports:
    description:
      - Ports that must be free (port), by which of our containers they may be held (container), and which others the
        run will stop (taken_over), by their name (names) or by a regular expression for their image (image).
    type: list
    elements: dict
    required: true
  sources:
    description: "Places to ask: name, urls (any one will do), required, cure."
    type: list
    elements: dict
    default: []
  docker_source: {description: As in the docker role., type: str, required: true}
  docker_minimum: {description: As in the docker role., type: dict, required: true}
  docker_data_root: {description: As in the docker role., type: str, default: ""}
  limits:
    description: >-
      Pairs in MiB of too little and comfortable: memory, disk, disk_state, disk_deployed, vram; and the oldest driver.
      C(disk) is for everything, C(disk_state) for the state folder where that lies on a file system of its own.
    type: dict
    required: true
  accept:
    description: Names of rows whose failure is only to be a warning.
    type: list
    elements: str
    default: []
  http_proxy: {description: Proxy for http., type: str, default: ""}
  https_proxy: {description: Proxy for https., type: str, default: ""}
  no_proxy: {description: Hosts reached without proxy., type: str, default: ""}
  ca_certificates: {description: PEM text of further authorities to trust., type: str, default: ""}
  timeout: {description: Seconds for one source., type: int, default: 8}
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
author: Twinport
"""

EXAMPLES = r"""
- name: Look the host over
  host_survey:
    gpu: true
    control_time: "{{ now().timestamp() }}"
    root: /opt/twinport
    state_dir: /var/lib/twinport
    ports: [{port: 8383, container: video-gateway}]
    docker_source: auto
    docker_minimum: {engine: "20.10", compose: "2.17", buildx: "0.10"}
    limits:
      memory: [7168, 29696]
      disk: [40000, 60000]
      disk_state: [12000, 25000]
      disk_deployed: [2000, 5000]
      vram: [5500, 11500]
      driver: "525.60.13"
"""

RETURN = r"""
ok: {description: Whether no row has failed., type: bool, returned: success}
checks: {description: "The rows: name, status, detail, cure.", type: list, elements: dict, returned: success}
table: {description: The rows as text., type: str, returned: success}
"""

import concurrent.futures
import dataclasses
import json
import os
import platform
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from ansible.module_utils.apt_sources import uris
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_installation import UnusableDockerError, choose
from ansible.module_utils.docker_probe import find_docker, installed_packages
from ansible.module_utils.host_commands import output_of, text_of
from ansible.module_utils.nvidia_cards import Cards, parse_xids
from ansible.module_utils.nvidia_probe import ask_cards
from ansible.module_utils.os_release import parse_os_release
from ansible.module_utils.preflight_rows import FAIL, Host, PortHolder, Probe, Source, Wanted, judge, render
from ansible.module_utils.socket_table import parse_tcp

_MIB = 1024 * 1024
# Package archives that are asked; a host has two or three, and nobody waits for a list of fifty.
_ARCHIVES = 8

ARGUMENTS = {
    "gpu": {"type": "bool", "required": True},
    "control_time": {"type": "float", "required": True},
    "root": {"type": "path", "required": True},
    "state_dir": {"type": "path", "required": True},
    "ports": {"type": "list", "elements": "dict", "required": True},
    "sources": {"type": "list", "elements": "dict", "default": []},
    "docker_source": {"type": "str", "required": True},
    "docker_minimum": {"type": "dict", "required": True},
    "docker_data_root": {"type": "str", "default": ""},
    "limits": {"type": "dict", "required": True},
    "accept": {"type": "list", "elements": "str", "default": []},
    "http_proxy": {"type": "str", "default": ""},
    "https_proxy": {"type": "str", "default": ""},
    "no_proxy": {"type": "str", "default": ""},
    "ca_certificates": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 8},
}


class Network:
    """Asks addresses, through the proxy and with the authorities that the deployment will use."""

    def __init__(self, params):
        self.timeout = params["timeout"]
        proxies = {name: params[name + "_proxy"] for name in ("http", "https") if params[name + "_proxy"]}
        os.environ["no_proxy"] = params["no_proxy"] or os.environ.get("no_proxy", "")
        context = ssl.create_default_context()
        if params["ca_certificates"]:
            context.load_verify_locations(cadata=params["ca_certificates"])
        handlers = [urllib.request.HTTPSHandler(context=context)]
        if proxies:
            handlers.append(urllib.request.ProxyHandler(proxies))
        self.opener = urllib.request.build_opener(*handlers)
        self.opener.addheaders = [("User-Agent", "twinport-preflight")]

    def ask(self, url):
        """Ask one address; any HTTP answer below 500 counts: a registry says 401, a mirror's root may be 404."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme == "file":
            return Probe(url, 0, "" if Path(parts.path).exists() else "no such folder")
        started = time.monotonic()
        problem = self.problem_of(url)
        return Probe(url, int((time.monotonic() - started) * 1000), problem)

    def problem_of(self, url):
        """Why an address does not answer, "" where it does."""
        try:
            with self.opener.open(url, timeout=self.timeout):
                return ""
        except urllib.error.HTTPError as error:
            return "" if error.code < 500 else "HTTP {0}".format(error.code)
        except urllib.error.URLError as error:
            return _reason(error.reason)
        except (OSError, ValueError) as error:
            return _reason(error)

    def ask_all(self, sources):
        """All sources at once, each address in a thread of its own."""
        urls = [url for source in sources for url in source["urls"]]
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(urls))) as pool:
            probes = {probe.url: probe for probe in pool.map(self.ask, urls)}
        return tuple(
            Source(
                source["name"], tuple(probes[url] for url in source["urls"]), bool(source["required"]), source["cure"]
            )
            for source in sources
            if source["urls"]
        )


def _reason(error):
    if isinstance(error, socket.gaierror):
        return "name not found"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted ({0}); a company's proxy? set twinport_extra_ca_certificates".format(
            error.verify_message
        )
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "no answer in time"
    return str(error) or type(error).__name__


def package_archives():
    """The addresses of the host's own package sources, as a source to ask."""
    found = []
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources"):
            found += uris(text_of(str(path)), path.suffix == ".sources")
    answerable = [uri for uri in dict.fromkeys(found) if uri.startswith(("http://", "https://"))]
    cure = "Correct or remove what does not answer under /etc/apt, for apt stops at it; or set twinport_http_proxy."
    return {"name": "packages", "urls": answerable[:_ARCHIVES], "required": True, "cure": cure}


def memory_mib():
    """Memory of the host, or of the container that it is."""
    total = int(re.search(r"MemTotal:\s+(\d+) kB", text_of("/proc/meminfo")).group(1)) // 1024
    limit = (
        text_of("/sys/fs/cgroup/memory.max").strip() or text_of("/sys/fs/cgroup/memory/memory.limit_in_bytes").strip()
    )
    return min(total, int(limit) // _MIB) if limit.isdigit() else total


def free_mib(path):
    """Free space on the file system that ``path`` lies on or will lie on."""
    return shutil.disk_usage(existing(path)).free // _MIB


def device_of(path):
    """The file system that ``path`` lies on or will lie on."""
    return os.stat(existing(path)).st_dev  # noqa: PTH116 - a string, for shutil's sake on Python 3.8


def existing(path):
    """The nearest folder to ``path`` that is there."""
    place = Path(path)
    while not place.exists():
        place = place.parent
    return str(place)


def container_kind():
    """The kind of container that the host itself is, "" for a machine of its own."""
    kind = output_of(["systemd-detect-virt", "--container"]).strip()
    if kind and kind != "none":
        return kind
    for entry in text_of("/proc/1/environ").split("\0"):
        if entry.startswith("container="):
            return entry[len("container=") :]
    return "docker" if Path("/.dockerenv").exists() else ""


def capabilities():
    """The effective capabilities of this process, as the kernel's bit mask."""
    found = re.search(r"^CapEff:\s+([0-9a-f]+)$", text_of("/proc/self/status"), re.MULTILINE)
    return int(found.group(1), 16) if found else 0


def port_holders(ports):
    """Who holds each of the wanted ports: one of our containers, another one, or a process."""
    listening = {}
    for entry in parse_tcp(text_of("/proc/net/tcp")) + parse_tcp(text_of("/proc/net/tcp6")):
        if entry.state == "listen":
            listening.setdefault(entry.port, set()).add(entry.inode)
    holders = []
    for wanted in ports:
        port = int(wanted["port"])
        listed = output_of(
            ["docker", "ps", "--filter", "publish={0}".format(port), "--format", "{{.Names}}|{{.Image}}"]
        )
        containers = [line.split("|", 1) for line in listed.splitlines() if "|" in line]
        if containers:
            holders.append(container_holder(port, wanted, containers))
        else:
            holders.append(PortHolder(port, process_of(listening.get(port, set())), ours=False))
    return tuple(holders)


def container_holder(port, wanted, containers):
    """The port's holder, given the names and images of the containers that publish it."""
    names = [name for name, _ in containers]
    if names == [wanted["container"]]:
        return PortHolder(port, names[0], ours=True)
    known = wanted.get("taken_over") or {"names": [], "image": "(?!)"}
    yields = all(name in known["names"] or re.search(known["image"], image) for name, image in containers)
    return PortHolder(port, "container " + ", ".join(names), ours=False, taken_over=yields)


def process_of(inodes):
    """Name and id of the process that holds one of these sockets, "" for no socket."""
    if not inodes:
        return ""
    wanted = {"socket:[{0}]".format(inode) for inode in inodes}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(str(link)) in wanted for link in (folder / "fd").iterdir()):  # noqa: PTH115 - Python 3.8
                return "{0} (process {1})".format(text_of(str(folder / "comm")).strip(), folder.name)
        except OSError:
            continue
    return "a process that can't be seen from here"


def kernel_log():
    """The kernel's messages since the last boot."""
    return output_of(["journalctl", "--dmesg", "--boot", "--no-pager", "--quiet", "--grep", "NVRM"]) or output_of(
        ["dmesg"]
    )


def secure_boot():
    """Whether the firmware accepts signed code only; the flag is the fifth byte of its variable."""
    for path in Path("/sys/firmware/efi/efivars").glob("SecureBoot-*"):
        return path.read_bytes()[4:5] == b"\x01"
    return False


def daemon_json_problem():
    """Why Docker's settings can't be read, "" where they can or there are none."""
    text = text_of("/etc/docker/daemon.json")
    if not text.strip():
        return ""
    try:
        json.loads(text)
    except ValueError as error:
        return "not valid JSON: {0}".format(error)
    return ""


def survey(params):
    """Everything there is to know about this host."""
    system = parse_os_release(text_of("/etc/os-release"))
    docker = find_docker(installed_packages())
    problem, needs_ce = "", False
    try:
        needs_ce = choose(params["docker_source"], system, docker, params["docker_minimum"]).source == "ce"
    except UnusableDockerError as error:
        problem = str(error)
    told = output_of(
        ["docker", "info", "--format", "{{.DockerRootDir}}|{{.Images}}|{{json .DriverStatus}}"], seconds=30
    ).split("|", 2)
    docker_root = told[0] if len(told) == 3 else params["docker_data_root"] or "/var/lib/docker"
    with_containerd = len(told) == 3 and "io.containerd.snapshotter" in told[2]
    images = "/var/lib/containerd" if with_containerd else params["docker_data_root"] or docker_root
    sources = [source for source in params["sources"] if source["name"] != "docker-ce" or needs_ce]
    return Host(
        system=system,
        architecture=platform.machine(),
        kernel=platform.release(),
        init=text_of("/proc/1/comm").strip(),
        container=container_kind(),
        capabilities=capabilities(),
        is_root=os.geteuid() == 0,
        memory_mib=memory_mib(),
        disk_path=images,
        disk_free_mib=free_mib(images),
        state_path="" if device_of(images) == device_of(params["state_dir"]) else params["state_dir"],
        state_free_mib=free_mib(params["state_dir"]),
        clock_offset_s=time.time() - params["control_time"],
        deployed=(Path(params["root"]) / "video" / "compose.yaml").exists(),
        docker=docker,
        docker_problem=problem,
        docker_root=docker_root,
        docker_has_images=len(told) == 3 and told[1] != "0",
        daemon_json_problem=daemon_json_problem(),
        ports=port_holders(params["ports"]),
        sources=Network(params).ask_all([package_archives(), *sources]),
        cards=ask_cards() if params["gpu"] else Cards(),
        xids=tuple(parse_xids(kernel_log())) if params["gpu"] else (),
        nouveau=Path("/sys/module/nouveau").exists(),
        secure_boot=secure_boot(),
    )


def main():
    """Survey, judge, report."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    limits = params["limits"]
    wanted = Wanted(
        gpu=params["gpu"],
        memory_mib=tuple(limits["memory"]),
        disk_mib=tuple(limits["disk"]),
        disk_state_mib=tuple(limits["disk_state"]),
        disk_deployed_mib=tuple(limits["disk_deployed"]),
        vram_mib=tuple(limits["vram"]),
        driver=str(limits["driver"]),
        docker_root=params["docker_data_root"],
        accepted=tuple(params["accept"]),
    )
    rows = judge(survey(params), wanted)
    module.exit_json(
        changed=False,
        ok=all(row.status != FAIL for row in rows),
        checks=[dataclasses.asdict(row) for row in rows],
        table=render(rows),
    )


if __name__ == "__main__":
    main()
