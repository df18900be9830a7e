# SPDX-License-Identifier: Apache-2.0
"""Rules about Docker's unit and settings: whether Docker would start. No I/O."""

from __future__ import annotations

from typing import Optional

from .model import FAIL, Host, Row, Wanted


def settings(host: Host, _wanted: Wanted) -> Optional[Row]:
    """What stops Docker in its settings; None where nothing does."""
    found = host.dockerd
    name = "docker settings"
    if found.clashes:
        told = ", ".join("{0} (flag {1})".format(setting, flag) for setting, flag in found.clashes)
        return Row(
            name,
            FAIL,
            "set both in daemon.json and as a flag of docker.service, with which Docker does not start: " + told,
            "Take it out of /etc/docker/daemon.json or of docker_daemon_settings, or take the flag out of the unit: "
            "`systemctl cat docker` names its file.",
        )
    if found.refusal:
        return Row(
            name,
            FAIL,
            "dockerd refuses them: " + found.refusal,
            "Correct /etc/docker/daemon.json or docker_daemon_settings.",
        )
    if found.frozen:
        cure = "A panel's protection did that. Switch it off for the run, or `chattr -i /etc/docker/daemon.json`."
        return Row(name, FAIL, "/etc/docker/daemon.json can't be changed: immutable", cure)
    if found.unknown:
        return Row(
            name,
            FAIL,
            "no Docker knows " + ", ".join(found.unknown),
            "Correct /etc/docker/daemon.json or docker_daemon_settings: Docker does not start with it.",
        )
    return None


def units(host: Host, _wanted: Wanted) -> Optional[Row]:
    """What prevents that Docker's units are started; None where nothing does."""
    found = host.dockerd
    if found.masked:
        names = " ".join(found.masked)
        return Row("docker service", FAIL, names + ": masked", "Run `systemctl unmask {0}`.".format(names))
    if found.failed:
        told = "; ".join("{0} failed: {1}".format(unit, words or "no reason was given") for unit, words in found.failed)
        units = " ".join(unit for unit, _words in found.failed)
        cure = "Correct that, then run `systemctl restart {0}`; `journalctl -u {1}` tells more.".format(
            units, found.failed[0][0]
        )
        return Row("docker service", FAIL, told, cure)
    return None
