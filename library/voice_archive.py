#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: the voices of a voice entry, packed into one file and put back from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: voice_archive
short_description: Pack the voices of a voice entry, and put them back
description:
  - Runs C(voice export) or C(voice import) of the gateway in a short-lived container, with the image, the user and the
    volumes of the entry's own container, and streams the archive to or from a file of the host.
  - "O(state=packed): writes a consistent archive while the entry runs, or while it is stopped. Speech that was made is
    left out; it is made again when it is requested."
  - "O(state=unpacked): checks an archive member by member, then puts its voices in the place of the entry's, which must
    be stopped. The database is replaced last, in one step, so that an interrupted run leaves the old voices."
options:
  state: {description: What to do., type: str, choices: [packed, unpacked], required: true}
  archive: {description: The C(.tar.gz) file to write or to read., type: path, required: true}
  container: {description: Name of the entry's gateway container., type: str, default: voice-gateway}
  overwrite:
    description: Whether voices that are not in the archive may be lost, with O(state=unpacked).
    type: bool
    default: false
extends_documentation_fragment: twinport.no_diff
"""

EXAMPLES = r"""
- name: Pack the voices
  voice_archive:
    state: packed
    archive: /var/lib/twinport/voices.tar.gz
"""

RETURN = r"""
voices: {description: Number of voices in the archive., type: int, returned: success}
different: {description: Whether the host had other voices than the archive., type: bool, returned: success}
replaced: {description: Number of voices that the archive lacks and that are lost., type: int, returned: success}
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any, Dict, List, Optional, Union

from ansible.module_utils.basic import AnsibleModule

# The settings that say where the voices are; the container's other settings, including secrets, are not passed on.
_SETTINGS = ("TWINPORT_DATA_DIR", "TWINPORT_DATABASE_URL")
_ISOLATION = (
    "--network=none",
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges:true",
)

ARGUMENTS = {
    "state": {"type": "str", "choices": ["packed", "unpacked"], "required": True},
    "archive": {"type": "path", "required": True},
    "container": {"type": "str", "default": "voice-gateway"},
    "overwrite": {"type": "bool", "default": False},
}


class ArchiveError(Exception):
    """A sentence for the user: what is wrong and what to do."""


class Gateway:
    """The gateway's image and volumes, for short-lived containers.

    Args:
        container: name of the entry's container, running or stopped.

    Raises:
        ArchiveError: there is none.
        OSError: there is no Docker.
    """

    def __init__(self, container: str) -> None:
        answer = subprocess.run(
            ["docker", "container", "inspect", container], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False
        )
        if answer.returncode != 0:
            error = answer.stderr.decode(errors="replace").strip()
            raise ArchiveError("No container {0} ({1}): run site.yml on this host first.".format(container, error))
        (found,) = json.loads(answer.stdout.decode())
        config = found["Config"]
        self._container = container
        self._image = str(found["Image"])
        self._user = str(config.get("User") or "")
        given = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
        self._settings = {name: given[name] for name in _SETTINGS if name in given}

    def run(self, arguments: List[str], stdin: Union[int, IO[bytes]], stdout: Union[int, IO[bytes]]) -> Dict[str, Any]:
        """Run ``voice ARGUMENTS``; returns the gateway's report.

        Raises:
            ArchiveError: the gateway refused, or could not be started.
        """
        # Without a log driver of its own, Docker would write the whole archive to the host's logs.
        command = ["docker", "run", "--rm", "--interactive", "--log-driver=none", "--volumes-from", self._container]
        command += [*_ISOLATION, *(part for name in self._settings for part in ("--env", name))]
        if self._user:
            command += ["--user", self._user]
        answer = subprocess.run(
            [*command, self._image, "voice", *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            # Values by environment: they may contain a password, and command lines are visible to all users.
            env={**os.environ, **self._settings},
            check=False,
        )
        return _report(answer.returncode, answer.stderr.decode(errors="replace"))


def _report(status: int, output: str) -> Dict[str, Any]:
    """The last line that a container wrote to its error stream, which is the gateway's report."""
    lines = output.strip().splitlines()
    try:
        report: Optional[Dict[str, Any]] = json.loads(lines[-1])
    except (IndexError, ValueError, RecursionError):
        report = None
    if isinstance(report, dict) and "error" in report:
        raise ArchiveError(str(report["error"]))
    if status == 0 and isinstance(report, dict):
        return report
    if "unrecognized arguments" in output:
        raise ArchiveError(
            "The gateway on this host is older than these playbooks. Run site.yml on it first, or use the playbooks "
            "that installed it."
        )
    raise ArchiveError("The gateway's container failed (exit status {0}): {1}".format(status, "\n".join(lines[-5:])))


def pack(gateway: Gateway, archive: Path) -> Dict[str, Any]:
    """Write the archive beside its name, flush it, rename it; returns the gateway's report.

    Raises:
        ArchiveError: there are no voices to be found, or their database can't be read.
        OSError: the disk is full.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=str(archive.parent), prefix=".voices-") as folder:
        part = Path(folder) / "part"
        with part.open("wb") as stream:
            part.chmod(0o600)
            report = gateway.run(["export"], subprocess.DEVNULL, stream)
            os.fsync(stream.fileno())
        part.replace(archive)
    handle = os.open(str(archive.parent), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return report


def unpack(gateway: Gateway, archive: Path, overwrite: bool, check_mode: bool) -> Dict[str, Any]:
    """Put the archive's voices in place, or in check mode only check it; returns the gateway's report.

    Raises:
        ArchiveError: the archive can't be used, voices would be lost, or the gateway is running.
        OSError: the archive can't be read.
    """
    arguments = ["import", *(["--overwrite"] if overwrite else []), *(["--dry-run"] if check_mode else [])]
    with archive.open("rb") as stream:
        return gateway.run(arguments, stream, subprocess.DEVNULL)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    archive, packed = Path(module.params["archive"]), module.params["state"] == "packed"
    try:
        gateway = Gateway(module.params["container"])
        if not packed:
            report = unpack(gateway, archive, module.params["overwrite"], module.check_mode)
        elif module.check_mode:
            report = gateway.run(["export", "--dry-run"], subprocess.DEVNULL, subprocess.DEVNULL)
        else:
            report = pack(gateway, archive)
        module.exit_json(changed=packed or report["different"], **report)
    except ArchiveError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg="The voices could not be read or written: {0}.".format(error))


if __name__ == "__main__":
    main()
