# SPDX-License-Identifier: Apache-2.0
"""Rules about what the host must reach, and the ports that it must have free. No I/O."""

from __future__ import annotations

from typing import Optional

from .model import FAIL, OK, WARN, Host, PortHolder, Row, Source, Wanted


def name_resolution(host: Host, _wanted: Wanted) -> Optional[Row]:
    """Whether any name could be resolved; None where nothing was checked."""
    probes = [probe for source in host.sources for probe in source.probes]
    if not probes:
        return None
    if host.archives_resolve or any(probe.problem != "name not found" for probe in probes):
        return Row("dns", OK, "names are resolved")
    return Row(
        "dns",
        FAIL,
        "no name can be resolved",
        "Correct /etc/resolv.conf, or set twinport_http_proxy and twinport_https_proxy.",
    )


def source(source: Source, host: Host) -> Row:
    """Whether one of the places to fetch from answers."""
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


def port(holder: PortHolder) -> Row:
    """Whether a port is free or held by what may hold it."""
    name = "port {0}".format(holder.port)
    if not holder.holder:
        return Row(name, OK, "free")
    if holder.ours:
        return Row(name, OK, "used by our own " + holder.holder)
    if holder.taken_over:
        cure = "It will be stopped and kept. cosyvoice_foreign_containers and duix_foreign_containers can prevent that."
        return Row(name, WARN, "used by " + holder.holder + ", an engine started by hand", cure)
    stop = "Free it with `{0}`".format(holder.cure) if holder.cure else "Stop it"
    return Row(
        name,
        FAIL,
        "used by " + holder.holder,
        "{0}, or move it to another port: the desktop client uses only this one.".format(stop),
    )
