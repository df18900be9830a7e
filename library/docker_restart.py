#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: has Docker take over its settings, and lets no container stop for it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_restart
short_description: Reload or restart Docker without stopping anybody's containers
description:
  - "O(state=applied): reloads or restarts Docker. For the time of a restart C(live-restore) is in force, even where
    C(daemon.json) does not have it before and after."
  - "O(state=prepared): the same precautions before something else that stops Docker, such as a change of its packages;
    O(state=applied) ends them."
  - Whatever ran before and has stopped all the same is started again, because a container without a restart policy
    would stay down. Only a member of a swarm and a Docker whose data move come to that.
  - Everything is noted in O(state_dir) beforehand, so that a later run finishes what an interrupted one began.
options:
  state: {description: What to do., type: str, choices: [prepared, applied], default: applied}
  restart: {description: Whether dockerd must be restarted., type: bool, default: false}
  reload: {description: Whether dockerd must read its settings again., type: bool, default: false}
  daemon_reload: {description: Whether systemd must read Docker's unit again., type: bool, default: false}
  path: {description: Docker's settings., type: path, default: /etc/docker/daemon.json}
  state_dir: {description: "Folder for the notes, as in M(docker_daemon_json).", type: path, required: true}
  pending:
    description: As in M(docker_daemon_json); removed once nothing is due.
    type: path
    default: /run/twinport-docker-restart-due
extends_documentation_fragment: twinport.no_diff
"""

EXAMPLES = r"""
- name: Restart Docker
  docker_restart:
    restart: true
    state_dir: /etc/twinport/docker
"""

RETURN = r"""
actions: {description: What was or would be done., type: list, elements: str, returned: success}
"""

import json
import time
from pathlib import Path
from typing import Dict, List, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.daemon_file import DaemonFile
from ansible.module_utils.docker_containers import RUNS, container_states, note_of_running, running_containers
from ansible.module_utils.durable_files import replace_file
from ansible.module_utils.host_commands import output_of, text_of

ARGUMENTS = {
    "state": {"type": "str", "choices": ["prepared", "applied"], "default": "applied"},
    "restart": {"type": "bool", "default": False},
    "reload": {"type": "bool", "default": False},
    "daemon_reload": {"type": "bool", "default": False},
    "path": {"type": "path", "default": "/etc/docker/daemon.json"},
    "state_dir": {"type": "path", "required": True},
    "pending": {"type": "path", "default": "/run/twinport-docker-restart-due"},
}
_USUAL_ROOT = "/var/lib/docker"
_TRIES = 20
_PAUSE_S = 0.5


class DockerRestart:
    """Docker's unit, its settings, and the note of the containers that must run afterwards."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.file = DaemonFile(module.params["path"], module.params["state_dir"], "restart")
        self.note = note_of_running(module.params["state_dir"])
        self.pending = Path(module.params["pending"])
        self.actions: List[str] = []

    def prepare(self) -> NoReturn:
        """Note what runs and put live-restore in force."""
        if not self.module.check_mode and self.is_active():
            self.guard()
        self.module.exit_json(changed=False, actions=[])

    def apply(self) -> NoReturn:
        """Restart or reload, then end the precautions."""
        restart, reload = self.module.params["restart"], self.module.params["reload"]
        if restart or reload:
            self.actions.append("restart Docker" if restart else "reload Docker's settings")
        if not self.module.check_mode:
            active = self.is_active()
            if restart:
                self.restart(active)
            elif reload and active:
                self.reload()
            self.settle()
        self.module.exit_json(changed=bool(self.actions), actions=self.actions)

    def restart(self, active: bool) -> None:
        """Restart the unit; one that does not run has no containers to guard."""
        if active:
            self.guard()
            if self.data_move():
                self.stop()
            else:
                self.reload()
        # systemd rejects a fourth start within a minute.
        self.systemctl("reset-failed", "docker")
        if self.module.params["daemon_reload"]:
            self.must("systemctl", "daemon-reload")
        self.must("systemctl", "restart", "docker")

    def guard(self) -> None:
        """Note the running containers, and hold live-restore where they can survive dockerd."""
        running = dict(self.noted(), **running_containers())
        replace_file(str(self.note), json.dumps(running).encode(), 0o600)
        document = self.file.read()
        if running and document.get("live-restore") is not True and not self.in_swarm() and not self.data_move():
            self.file.set({"live-restore": True}, document)
            self.reload()

    def in_swarm(self) -> bool:
        """Whether Docker is a member of a swarm, where it does not start with live-restore."""
        return output_of(["docker", "info", "--format", "{{.Swarm.LocalNodeState}}"], seconds=30).strip() == "active"

    def data_move(self) -> bool:
        """Whether Docker will look for its data in another folder, where it does not find what runs now."""
        if "--data-root" in output_of(["systemctl", "show", "--property=ExecStart", "--value", "docker"]):
            return False
        root = output_of(["docker", "info", "--format", "{{.DockerRootDir}}"], seconds=30).strip()
        return bool(root) and root != self.file.read().get("data-root", _USUAL_ROOT)

    def stop(self) -> None:
        """Stop the containers, which would go on with nobody who knows of them."""
        for number in running_containers():
            self.must("docker", "stop", number)

    def settle(self) -> None:
        """Take back what was held, start what has stopped, and forget both."""
        if self.file.holdings():
            self.file.set({}, self.file.read())
            if self.is_active():
                self.reload()
        if self.note.exists():
            self.resume(self.noted())
            self.note.unlink()
        if self.pending.exists() and self.module.params["restart"]:
            self.pending.unlink()

    def resume(self, noted: Dict[str, Dict[str, str]]) -> None:
        """Start those of the noted containers that have stopped, in two rounds: some need others."""
        failures: Dict[str, str] = {}
        for _round in range(2):
            states = container_states()
            failures = {}
            for number, container in noted.items():
                if number in states and states[number] not in RUNS:
                    code, _out, err = self.module.run_command(["docker", "start", number])
                    if code:
                        failures[container["name"]] = err.strip()
                    else:
                        self.actions.append("start container {0} again".format(container["name"]))
                if container["status"] == "paused" and states.get(number) != "paused":
                    self.module.run_command(["docker", "pause", number])
            if not failures:
                break
        for name, error in failures.items():
            self.module.warn("Container {0} ran before and can't be started again: {1}".format(name, error))
        for number in set(noted) - set(states):
            self.module.warn("Container {0} ran before and is gone.".format(noted[number]["name"]))

    def noted(self) -> Dict[str, Dict[str, str]]:
        """What an earlier step or an interrupted run has noted, by id."""
        try:
            found: Dict[str, Dict[str, str]] = json.loads(text_of(str(self.note)) or "{}")
        except ValueError:
            return {}
        return found

    def reload(self) -> None:
        """Have dockerd read its settings, and wait until live-restore is as they say."""
        document = self.file.read()
        if "live-restore" in document:
            self.take_over(document["live-restore"] is True)
            return
        # Where the file says nothing, dockerd keeps what it had: so it is told for a moment.
        self.file.set({"live-restore": False}, document)
        self.take_over(False)
        self.file.set({}, self.file.read())

    def take_over(self, wanted: bool) -> None:
        """Reload, and wait until live-restore is as wanted."""
        self.must("systemctl", "reload", "docker")
        for _try in range(_TRIES):
            answer = output_of(["docker", "info", "--format", "{{.LiveRestoreEnabled}}"], seconds=30).strip()
            if answer == str(wanted).lower():
                return
            time.sleep(_PAUSE_S)
        self.module.warn(
            "Docker does not take over live-restore from {0}. See journalctl -u docker.".format(self.file.path)
        )

    def is_active(self) -> bool:
        """Whether dockerd runs."""
        return bool(self.systemctl("is-active", "--quiet", "docker") == 0)

    def systemctl(self, *arguments: str) -> int:
        """Exit status of systemctl."""
        return int(self.module.run_command(["systemctl", *arguments])[0])

    def must(self, *command: str) -> None:
        """Run a command; fail the task with the command's own error."""
        code, out, err = self.module.run_command(list(command))
        if code:
            self.module.fail_json(
                msg="{0}: {1} See journalctl -u docker.".format(" ".join(command), (err or out).strip())
            )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    docker = DockerRestart(module)
    if module.params["state"] == "prepared":
        docker.prepare()
    docker.apply()


if __name__ == "__main__":
    main()
