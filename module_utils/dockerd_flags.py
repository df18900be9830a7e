# SPDX-License-Identifier: Apache-2.0
"""The flags of dockerd's unit beside daemon.json: what is set in both stops Docker. Rules only, no I/O."""

from __future__ import annotations

import re
import shlex
from typing import Any, Dict, List, Mapping, Tuple

# Debian's, Ubuntu's and Docker's own units agree in this.
USUAL_UNIT = """\
[Service]
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
"""
_SHORT = {"b": "bridge", "D": "debug", "G": "group", "g": "data-root", "H": "host", "l": "log-level", "p": "pidfile",
          "s": "storage-driver"}  # fmt: skip
# Flags that may be repeated have another name in the file.
_IN_FILE = {
    "add-runtime": "runtimes", "authorization-plugin": "authorization-plugins", "cdi-spec-dir": "cdi-spec-dirs",
    "default-address-pool": "default-address-pools", "default-network-opt": "default-network-opts",
    "default-ulimit": "default-ulimits", "dns-opt": "dns-opts", "exec-opt": "exec-opts", "graph": "data-root",
    "host": "hosts", "insecure-registry": "insecure-registries", "label": "labels", "log-opt": "log-opts",
    "node-generic-resource": "node-generic-resources", "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}  # fmt: skip
# dockerd joins these.
_JOINED = {"runtimes"}
# Every setting of daemon.json from Docker 20.10 to 29.
_KNOWN = frozenset(
    [
        "allow-direct-routing",
        "allow-nondistributable-artifacts",
        "api-cors-header",
        "authorization-plugins",
        "bip",
        "bip6",
        "bridge",
        "bridge-accept-fwmark",
        "builder",
        "cdi-spec-dirs",
        "cgroup-parent",
        "cluster-advertise",
        "cluster-store",
        "cluster-store-opts",
        "config-file",
        "containerd",
        "containerd-namespace",
        "containerd-plugin-namespace",
        "containerd-plugins-namespace",
        "cpu-rt-period",
        "cpu-rt-runtime",
        "cri-containerd",
        "data-root",
        "debug",
        "default-address-pools",
        "default-cgroupns-mode",
        "default-gateway",
        "default-gateway-v6",
        "default-init",
        "default-ipc-mode",
        "default-network-opts",
        "default-runtime",
        "default-shm-size",
        "default-ulimits",
        "deprecated-key-path",
        "dns",
        "dns-opts",
        "dns-search",
        "exec-opts",
        "exec-root",
        "experimental",
        "features",
        "firewall-backend",
        "fixed-cidr",
        "fixed-cidr-v6",
        "graph",
        "group",
        "host-gateway-ip",
        "host-gateway-ips",
        "hosts",
        "http-proxy",
        "https-proxy",
        "icc",
        "init",
        "init-path",
        "insecure-registries",
        "ip",
        "ip-forward",
        "ip-forward-no-drop",
        "ip-masq",
        "ip6tables",
        "iptables",
        "ipv6",
        "isolation",
        "labels",
        "live-restore",
        "log-driver",
        "log-format",
        "log-level",
        "log-opts",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "metrics-addr",
        "min-api-version",
        "mtu",
        "network-control-plane-mtu",
        "no-new-privileges",
        "no-proxy",
        "node-generic-resources",
        "nri-opts",
        "oom-score-adjust",
        "pidfile",
        "proxies",
        "raw-logs",
        "registry-mirrors",
        "rootless",
        "runtimes",
        "seccomp-profile",
        "selinux-enabled",
        "shutdown-timeout",
        "storage-driver",
        "storage-opts",
        "swarm-default-advertise-addr",
        "time-namespaces",
        "tls",
        "tlscacert",
        "tlscert",
        "tlskey",
        "tlsverify",
        "userland-proxy",
        "userland-proxy-path",
        "userns-remap",
    ]
)


def unit_command(text: str, environment: Mapping[str, str]) -> List[str]:
    """The arguments with which a unit starts dockerd.

    Args:
        text: the unit and its drop-ins, one after the other, as ``systemctl cat`` gives them.
        environment: values for ``$NAME``, besides those of the unit's own Environment lines.
    """
    joined = re.sub(r"\\\n\s*", " ", text)
    commands: List[str] = []
    values = dict(environment)
    for line in joined.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and name == "ExecStart":
            # An empty one forgets those before.
            commands = [*commands, value] if value.strip() else []
        elif equals and name == "Environment":
            values.update(assignments("\n".join(_words(value))))
    expanded = re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found.group(1), ""), commands[-1] if commands else "")
    return _words(expanded)[1:]


def environment_files(text: str) -> List[str]:
    """The files that a unit reads variables from."""
    return re.findall(r"^EnvironmentFile=-?(\S+)", text, re.MULTILINE)


def assignments(text: str) -> Dict[str, str]:
    """The variables of such a file, one NAME=VALUE a line."""
    lines = (line.strip().partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {name: " ".join(_words(value)) for name, equals, value in lines if equals}


def settings_of(arguments: List[str]) -> Dict[str, str]:
    """The settings that flags decide: their name in daemon.json, and the flag as it is written."""
    found: Dict[str, str] = {}
    for argument, following in zip(arguments, [*arguments[1:], "-"]):
        flag, equals, _value = argument.partition("=")
        if flag.startswith("--"):
            name = flag[2:]
        elif re.match(r"-[A-Za-z]", flag):
            name = _SHORT.get(flag[1], "")
        else:
            continue
        if name:
            written = argument if equals or following.startswith("-") else "{0} {1}".format(argument, following)
            found.setdefault(_IN_FILE.get(name, name), written)
    return found


def clashes(document: Mapping[str, Any], flags: Mapping[str, str]) -> List[Tuple[str, str]]:
    """The settings that stand both in daemon.json and among the flags, with the flag."""
    return [(name, flags[name]) for name in document if name in flags and name not in _JOINED]


def unknown(document: Mapping[str, Any]) -> List[str]:
    """The settings that no version of Docker knows; it passes over flags' own names, such as ``registry-mirror``."""
    return [name for name in document if name not in _KNOWN and name not in _IN_FILE]


def _words(text: str) -> List[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
