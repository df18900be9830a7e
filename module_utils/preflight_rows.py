"""Judging a host before anything is changed: what a survey found, against what is wanted. Rules only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, List, Optional, Tuple

from .docker_installation import Docker, version_tuple
from .nvidia_cards import Cards
from .os_release import OperatingSystem

OK, WARN, FAIL = "ok", "warn", "fail"

_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21
_OLDEST_KERNEL = (4, 18)
_CLOCK_TOLERANCE_S = 120
_BLACKWELL = (12, 0)
_BLACKWELL_DRIVER = "570"
_OLDEST_CAPABILITY = (5, 0)
_DATED_CAPABILITY = (7, 0)
# Xid numbers, here as in the doctor's catalogue: the card has left the bus or its firmware is dead; its memory or its
# link to other cards is failing.
_XID_GONE = {79, 119, 120}
_XID_FAILING = {48, 63, 64, 74, 94, 95}
_TESTED = {("debian", 12), ("debian", 13)}
_SUPPORTED = {("ubuntu", 22), ("ubuntu", 24), ("rhel", 9), ("rocky", 9), ("almalinux", 9), ("centos", 9)}

_FAULT_TEXTS = {
    "missing": (
        "no nvidia-smi: the NVIDIA driver is not installed",
        "Choose a server image with the driver, or set nvidia_container_toolkit_driver to 'install'.",
    ),
    "mismatch": (
        "the driver was upgraded under the running kernel (Driver/library version mismatch)",
        "Reboot the server; nvidia_container_toolkit_driver 'hold' keeps it from happening again.",
    ),
    "no-module": (
        "nvidia-smi can't reach the driver: its kernel module is not loaded",
        "Reboot the server; if that does not help, reinstall the driver for kernel {kernel}.",
    ),
    "no-card": (
        "the driver sees no GPU",
        "Ask the provider for the card you rent; without one set engine_mode to 'preview'.",
    ),
    "lost-card": (
        "a GPU has fallen off the bus",
        "Reboot the server; if it comes back, ask the provider for another one.",
    ),
    "nvml": ("the driver's library can't start", "Reboot the server; if that does not help, reinstall the driver."),
    "unreadable": ("nvidia-smi gives no usable answer", "Run nvidia-smi on the server and repair the driver."),
}


@dataclass(frozen=True)
class Row:
    """One line of the report. ``cure`` names the variable or the action; it is empty for an ok row."""

    name: str
    status: str
    detail: str
    cure: str = ""


@dataclass(frozen=True)
class Probe:
    """One address that was asked: the ``problem`` is "" when it answered, after ``milliseconds``."""

    url: str
    milliseconds: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Source:
    """A place that something is fetched from: its probes, any one of which will do, and what to set where none does."""

    name: str
    probes: Tuple[Probe, ...]
    required: bool
    cure: str


@dataclass(frozen=True)
class PortHolder:
    """Who listens on a port: ``ours``, our own gateway; ``taken_over``, something that the run will stop."""

    port: int
    holder: str
    ours: bool
    taken_over: bool = False


@dataclass(frozen=True)
class Host:
    """What the survey found. Sizes in MiB; ``clock_offset_s`` is the host's clock minus the control machine's."""

    system: OperatingSystem
    architecture: str
    kernel: str
    init: str
    container: str
    capabilities: int
    is_root: bool
    memory_mib: int
    disk_path: str
    disk_free_mib: int
    clock_offset_s: float
    deployed: bool
    docker: Docker
    docker_problem: str
    docker_root: str
    docker_has_images: bool
    daemon_json_problem: str
    ports: Tuple[PortHolder, ...] = ()
    sources: Tuple[Source, ...] = ()
    cards: Cards = field(default_factory=Cards)
    xids: Tuple[Tuple[str, int], ...] = ()
    nouveau: bool = False
    secure_boot: bool = False
    # Only where the state folder lies on a file system of its own.
    state_path: str = ""
    state_free_mib: int = 0


@dataclass(frozen=True)
class Wanted:
    """What the host is to carry; every pair is (too little to work, comfortable), in MiB."""

    gpu: bool
    memory_mib: Tuple[int, int]
    disk_mib: Tuple[int, int]
    disk_state_mib: Tuple[int, int]
    disk_deployed_mib: Tuple[int, int]
    vram_mib: Tuple[int, int]
    driver: str
    docker_root: str = ""
    accepted: Tuple[str, ...] = ()


def judge(host: Host, wanted: Wanted) -> List[Row]:
    """All rows of the report, in the order a reader wants them; accepted failures come back as warnings."""
    rules: List[Callable[[Host, Wanted], Optional[Row]]] = [
        _privileges, _system, _architecture, _kernel, _init, _container, _memory, _disk, _disk_state, _clock, _names,
    ]  # fmt: skip
    rows = [rule(host, wanted) for rule in rules]
    rows += [_source(source, host) for source in host.sources]
    rows += [_port(holder) for holder in host.ports]
    rows += [_docker(host, wanted), _daemon_json(host, wanted), _data_root(host, wanted)]
    if wanted.gpu:
        rows += [_driver(host, wanted), *_cards(host), _vram(host, wanted), _xids(host, wanted)]
    return [_accept(row, wanted) for row in rows if row is not None]


def render(rows: List[Row]) -> str:
    """The report as a table for people."""
    width = max(len(row.name) for row in rows)
    lines = []
    for row in rows:
        lines.append("{0:<4}  {1:<{2}}  {3}".format(row.status, row.name, width, row.detail))
        if row.cure:
            lines.append("{0:<4}  {0:<{1}}  -> {2}".format("", width, row.cure))
    return "\n".join(lines)


def _accept(row: Row, wanted: Wanted) -> Row:
    if row.status == FAIL and row.name in wanted.accepted:
        return Row(row.name, WARN, row.detail + " (accepted in preflight_accept)", row.cure)
    return row


def _privileges(host: Host, _wanted: Wanted) -> Row:
    if host.is_root:
        return Row("privileges", OK, "root")
    return Row(
        "privileges",
        FAIL,
        "not root",
        "Log in as root, or as a user with sudo (ansible_user, ansible_become_password).",
    )


def _system(host: Host, _wanted: Wanted) -> Row:
    known = (host.system.id, host.system.major)
    if known in _TESTED:
        return Row("system", OK, host.system.name)
    if known in _SUPPORTED:
        return Row("system", OK, "{0} (supported; see docs/platforms.md for what was tried)".format(host.system.name))
    if host.system.family == "other":
        return Row(
            "system",
            FAIL,
            "{0} is not supported".format(host.system.name),
            "Choose Debian 12 or 13, or Ubuntu 22.04 or 24.04.",
        )
    return Row(
        "system",
        WARN,
        "{0} has not been tried".format(host.system.name),
        "Debian 12 or 13 and Ubuntu 22.04 or 24.04 are known.",
    )


def _architecture(host: Host, wanted: Wanted) -> Row:
    if host.architecture == "x86_64":
        return Row("architecture", OK, host.architecture)
    if wanted.gpu:
        return Row(
            "architecture",
            FAIL,
            host.architecture + ": the video engine's image is amd64 only",
            "Rent an x86-64 server.",
        )
    return Row(
        "architecture", WARN, host.architecture + " carries the preview only", "For real engines rent an x86-64 server."
    )


def _kernel(host: Host, _wanted: Wanted) -> Row:
    if version_tuple(host.kernel) < _OLDEST_KERNEL:
        return Row(
            "kernel", FAIL, "Linux {0} is too old for the firewall".format(host.kernel), "Take a newer system image."
        )
    if "microsoft" in host.kernel.lower():
        return Row("kernel", WARN, "WSL: fit for trying things", "Rent a Linux server for real use.")
    return Row("kernel", OK, "Linux " + host.kernel)


def _init(host: Host, _wanted: Wanted) -> Row:
    if host.init == "systemd":
        return Row("init", OK, "systemd")
    return Row(
        "init",
        FAIL,
        "process 1 is {0}, not systemd".format(host.init or "unknown"),
        "Rent a virtual machine instead of a container.",
    )


def _container(host: Host, _wanted: Wanted) -> Row:
    if not host.container:
        return Row("container", OK, "a machine of its own")
    needed = (1 << _CAP_NET_ADMIN) | (1 << _CAP_SYS_ADMIN)
    if host.capabilities & needed == needed:
        detail = "the server is itself a container ({0}), with the rights it needs".format(host.container)
        return Row("container", WARN, detail, "If Docker does not start in it, rent a virtual machine.")
    return Row(
        "container",
        FAIL,
        "the server is itself a container ({0}) and may not run Docker nor a firewall".format(host.container),
        "Rent a virtual machine or a whole server; a 'GPU container' can't carry this.",
    )


def _amount(name: str, has: int, limits: Tuple[int, int], what: str, cure: str) -> Row:
    detail = "{0:.1f} GiB {1}".format(has / 1024, what)
    if has < limits[0]:
        return Row(name, FAIL, "{0}, at least {1:.0f} needed".format(detail, limits[0] / 1024), cure)
    if has < limits[1]:
        return Row(name, WARN, "{0}, {1:.0f} are comfortable".format(detail, limits[1] / 1024), cure)
    return Row(name, OK, detail)


def _memory(host: Host, wanted: Wanted) -> Row:
    return _amount("memory", host.memory_mib, wanted.memory_mib, "of memory", "Rent a server with more memory.")


def _disk(host: Host, wanted: Wanted) -> Row:
    limits = wanted.disk_deployed_mib if host.deployed else wanted.disk_mib
    cure = "Rent a larger disk, or put Docker's data on another one with docker_data_root."
    return _amount("disk", host.disk_free_mib, limits, "free for {0}".format(host.disk_path), cure)


def _disk_state(host: Host, wanted: Wanted) -> Optional[Row]:
    if not host.state_path:
        return None
    limits = wanted.disk_deployed_mib if host.deployed else wanted.disk_state_mib
    cure = "Rent a larger disk, or put voices, models and media on another one with twinport_state_dir."
    return _amount("disk for state", host.state_free_mib, limits, "free for {0}".format(host.state_path), cure)


def _clock(host: Host, _wanted: Wanted) -> Row:
    if abs(host.clock_offset_s) <= _CLOCK_TOLERANCE_S:
        return Row("clock", OK, "right to {0:.0f} s".format(max(1.0, abs(host.clock_offset_s))))
    detail = "{0:.0f} s {1} the control machine".format(
        abs(host.clock_offset_s), "ahead of" if host.clock_offset_s > 0 else "behind"
    )
    return Row(
        "clock",
        WARN,
        detail,
        "Set the clock (timedatectl set-ntp true): certificates and signatures fail with a wrong one.",
    )


def _names(host: Host, _wanted: Wanted) -> Optional[Row]:
    probes = [probe for source in host.sources for probe in source.probes]
    if not probes:
        return None
    if any(probe.problem != "name not found" for probe in probes):
        return Row("dns", OK, "names are found")
    return Row(
        "dns",
        FAIL,
        "no name can be resolved",
        "Correct /etc/resolv.conf, or set twinport_http_proxy and twinport_https_proxy.",
    )


def _source(source: Source, host: Host) -> Row:
    good = ["{0} ({1} ms)".format(probe.url, probe.milliseconds) for probe in source.probes if not probe.problem]
    bad = ["{0}: {1}".format(probe.url, probe.problem) for probe in source.probes if probe.problem]
    name = "source " + source.name
    if not bad:
        return Row(name, OK, ", ".join(good))
    if good:
        return Row(name, WARN, "{0}; but {1}".format(", ".join(good), ", ".join(bad)), source.cure)
    # A host that is deployed already has what it needs from there.
    required = source.required and not host.deployed
    return Row(name, FAIL if required else WARN, ", ".join(bad), source.cure)


def _port(holder: PortHolder) -> Row:
    name = "port {0}".format(holder.port)
    if not holder.holder:
        return Row(name, OK, "free")
    if holder.ours:
        return Row(name, OK, "held by our own " + holder.holder)
    if holder.taken_over:
        cure = "It will be stopped and kept. cosyvoice_foreign_containers and duix_foreign_containers can forbid it."
        return Row(name, WARN, "held by " + holder.holder + ", an engine started by hand", cure)
    return Row(
        name, FAIL, "held by " + holder.holder, "Stop it, or move it to another port: the client knows only this one."
    )


def _docker(host: Host, _wanted: Wanted) -> Row:
    if host.docker_problem:
        return Row("docker", FAIL, "{0} {1}".format(host.docker.kind, host.docker.engine).strip(), host.docker_problem)
    if host.docker.kind == "none":
        return Row("docker", OK, "none yet; it will be installed")
    parts = "{0.engine} ({0.kind}), compose {1}, buildx {2}".format(
        host.docker, host.docker.compose or "to be added", host.docker.buildx or "to be added"
    )
    return Row("docker", OK, parts)


def _daemon_json(host: Host, _wanted: Wanted) -> Optional[Row]:
    if not host.daemon_json_problem:
        return None
    return Row(
        "daemon.json",
        FAIL,
        host.daemon_json_problem,
        "Correct or remove /etc/docker/daemon.json: Docker can't read it either.",
    )


def _data_root(host: Host, wanted: Wanted) -> Optional[Row]:
    if not wanted.docker_root or not host.docker_has_images or host.docker_root == wanted.docker_root:
        return None
    return Row(
        "docker data",
        WARN,
        "Docker keeps images in {0}; docker_data_root moves it to {1}, where it starts empty".format(
            host.docker_root, wanted.docker_root
        ),
        "Copy {0} there while Docker is stopped, or leave docker_data_root empty.".format(host.docker_root),
    )


def _driver(host: Host, wanted: Wanted) -> Row:
    if host.cards.fault:
        detail, cure = _FAULT_TEXTS[host.cards.fault]
        if host.nouveau:
            detail += "; the free nouveau driver holds the card"
            cure += " Keep nouveau from loading and reboot."
        if host.secure_boot and host.cards.fault in ("no-module", "missing"):
            cure += " Secure Boot is on and lets only signed modules in."
        return Row("driver", FAIL, detail, cure.format(kernel=host.kernel))
    driver = host.cards.cards[0].driver
    if version_tuple(driver) < version_tuple(wanted.driver):
        return Row(
            "driver",
            FAIL,
            "{0} is older than {1}".format(driver, wanted.driver),
            "Install driver {0} or newer.".format(wanted.driver),
        )
    blackwell = any(card.capability >= _BLACKWELL for card in host.cards.cards)
    if blackwell and version_tuple(driver) < version_tuple(_BLACKWELL_DRIVER):
        return Row("driver", FAIL, "{0} does not know 50-series cards".format(driver), "Install driver 570 or newer.")
    return Row("driver", OK, driver)


def _cards(host: Host) -> List[Row]:
    rows = []
    for card in host.cards.cards:
        name = "gpu {0}".format(card.index)
        capability = ".".join(map(str, card.capability))
        detail = "{0}, {1:.1f} GiB, compute capability {2}".format(
            card.name, card.memory_mib / 1024, capability or "unknown"
        )
        if card.capability and card.capability < _OLDEST_CAPABILITY:
            rows.append(
                Row(
                    name,
                    FAIL,
                    detail + ": too old for the engines' PyTorch",
                    "Rent a newer card (capability 7.0 or more).",
                )
            )
        elif card.capability and card.capability < _DATED_CAPABILITY:
            rows.append(
                Row(name, WARN, detail + ": old, expect it to be slow", "A card of capability 7.0 or more is better.")
            )
        elif card.capability >= _BLACKWELL:
            rows.append(Row(name, OK, detail + ": 50-series, gets the images made for it"))
        else:
            rows.append(Row(name, OK, detail))
    return rows


def _vram(host: Host, wanted: Wanted) -> Optional[Row]:
    if not host.cards.cards:
        return None
    largest = max(card.memory_mib for card in host.cards.cards)
    size = "{0:.1f} GiB".format(largest / 1024)
    if largest < wanted.vram_mib[0]:
        return Row("gpu memory", FAIL, size + ": speech may run, video will not", "Rent a card with at least 8 GB.")
    if largest < wanted.vram_mib[1]:
        return Row(
            "gpu memory",
            WARN,
            size + ": either engine runs, both at work at once may run out of memory",
            "Let speech finish before a video starts, or rent a card with 12 GB or more.",
        )
    return Row("gpu memory", OK, size + ": both engines fit")


def _xids(host: Host, _wanted: Wanted) -> Row:
    if not host.xids:
        return Row("gpu errors", OK, "none in the kernel log")
    text = ", ".join("Xid {1} on {0}".format(*xid) for xid in host.xids)
    numbers = {number for _address, number in host.xids}
    if numbers & _XID_GONE:
        return Row(
            "gpu errors",
            FAIL,
            text + ": the card is gone",
            "Reboot; if it comes back, ask the provider for another server.",
        )
    if numbers & _XID_FAILING:
        return Row(
            "gpu errors", WARN, text + ": the card or its memory is failing", "Ask the provider for another server."
        )
    return Row("gpu errors", WARN, text + ": a program's fault, most likely", "Nothing to do unless it goes on.")
