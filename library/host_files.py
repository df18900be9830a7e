#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `host_files`: makes folders and small files, all in one visit to the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Make folders and small files, all in one visit to the host
description:
  - Does for a list what M(ansible.builtin.file) and M(ansible.builtin.copy) do one at a time. Each of those is a visit
    of a third of a second, or two; a deployment that changes nothing is made of little else.
  - A file is written beside its name, flushed and renamed, with owner and mode in force before it has its name.
  - Check mode reports files below folders that do not exist yet as well. The diff shows contents and attributes, of
    O(secrets) only the attributes.
options:
  folders:
    description: Folders, made in this order before the files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The folder; parents that are missing are made with it.
        type: path
        required: true
      owner:
        description: User, by name or number; empty, it is left as it is.
        type: str
        default: root
      group:
        description: Group, by name or number; empty, it is left as it is.
        type: str
        default: root
      mode:
        description: Octal mode.
        type: str
        default: "0755"
  files:
    description: Files, in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file; its folder exists or is made by the same task.
        type: path
        required: true
      content:
        description: The text of the file.
        type: str
      base64:
        description: The bytes of the file, in base64, where it is no text.
        type: str
      owner:
        description: User, by name or number; empty, it is left as it is.
        type: str
        default: root
      group:
        description: Group, by name or number; empty, it is left as it is.
        type: str
        default: root
      mode:
        description: Octal mode.
        type: str
        default: "0644"
      validate:
        description: A command that must succeed on a new content before it takes its place; C(%s) is its path.
        type: str
  secrets:
    description: Files whose contents appear in no diff, no result and no log.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file.
        type: path
        required: true
      content:
        description: The text of the file.
        type: str
        required: true
      owner:
        description: User, by name or number; empty, it is left as it is.
        type: str
        default: root
      group:
        description: Group, by name or number; empty, it is left as it is.
        type: str
        default: root
      mode:
        description: Octal mode.
        type: str
        default: "0600"
  units:
    description: Units of systemd whose state after the files were written is returned.
    type: list
    elements: str
    default: []
extends_documentation_fragment: twinport
"""

EXAMPLES = r"""
- name: Make the stack's folder and its compose file
  host_files:
    folders:
      - path: /opt/twinport/voice
    files:
      - path: /opt/twinport/voice/compose.yaml
        content: "{{ lookup('ansible.builtin.template', 'compose.yaml.j2') }}"
        validate: docker compose --file %s config --quiet
  register: written
"""

RETURN = r"""
changed_paths:
  description: The folders and files that were made, written or given other attributes.
  returned: always
  type: list
  elements: str
units:
  description: For each of O(units) that systemd knows, whether it is V(active) and V(enabled).
  returned: always
  type: dict
  sample: {twinport-doctor.timer: {active: true, enabled: true}}
"""

import base64
import grp
import pwd
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.durable_files import replace_file
from ansible.module_utils.host_commands import output_of

Item = Mapping[str, Any]

_ATTRIBUTES = {
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}
# What the host's SELinux policy says, where there is one.
_POLICY = dict.fromkeys(("seuser", "serole", "setype", "selevel"), "_default")


class Change:
    """What was, or would be, done to one path."""

    def __init__(self, path: str) -> None:
        self.path, self.made = path, False
        self.present: Optional[bytes] = None
        self.before: Dict[str, Any] = {}
        self.after: Dict[str, Any] = {}
        self.texts = ("", "")

    @property
    def changed(self) -> bool:
        """Whether anything was."""
        return self.made or self.before != self.after or self.texts[0] != self.texts[1]

    def diff(self) -> Dict[str, str]:
        """Content and attributes, as Ansible shows them."""
        before, after = (
            "".join("# %s: %s\n" % pair for pair in sorted(attributes.items()) if pair[0] != "path") + text
            for attributes, text in ((self.before, self.texts[0]), (self.after, self.texts[1]))
        )
        return {"before": before, "after": after, "before_header": self.path, "after_header": self.path}


class HostFiles:
    """One run of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module

    def apply(self) -> None:
        """Make everything and report."""
        try:
            changes = [self.folder(item) for item in self.module.params["folders"]]
            changes += [self.text_or_bytes(item) for item in self.module.params["files"]]
            changes += [self.secret(item) for item in self.module.params["secrets"]]
        except OSError as error:
            self.module.fail_json(msg="%s: %s" % (error.filename or "the host's disk", error.strerror))
        done = [change for change in changes if change.changed]
        self.module.exit_json(
            changed=bool(done),
            changed_paths=[change.path for change in done],
            units=unit_states(self.module.params["units"]),
            diff=[change.diff() for change in done],
        )

    def folder(self, item: Item) -> Change:
        """Make one folder."""
        change, path = Change(item["path"]), Path(item["path"])
        change.made = not path.is_dir()
        if change.made:
            change.after["state"] = "directory"
            if self.module.check_mode:
                return change
            path.mkdir(parents=True, exist_ok=True)
        self.set_attributes(item, change)
        return change

    def text_or_bytes(self, item: Item) -> Change:
        """Write one of O(files)."""
        wanted = base64.b64decode(item["base64"]) if item["base64"] is not None else item["content"].encode("utf-8")
        change = self.file(item, wanted, lambda: self.validate(item, wanted))
        if change.made:
            change.texts = (_shown(change.present), _shown(wanted))
        return change

    def secret(self, item: Item) -> Change:
        """Write one of O(secrets)."""
        return self.file(item, item["content"].encode("utf-8"), lambda: None)

    def file(self, item: Item, wanted: bytes, validate: Callable[[], None]) -> Change:
        """Write one file where its content differs."""
        change, path = Change(item["path"]), Path(item["path"])
        change.present = path.read_bytes() if path.exists() else None
        change.made = change.present != wanted
        if change.made:
            if self.module.check_mode:
                return change
            validate()
            uid, gid = self.owner(item)
            replace_file(str(path), wanted, int(item["mode"], 8), uid, gid)
        self.set_attributes(item, change)
        return change

    def owner(self, item: Item) -> Tuple[int, int]:
        """Numbers of a file's user and group, -1 for one that is left; fails the task where there is no such name."""
        try:
            uid = _number(item["owner"], lambda name: pwd.getpwnam(name).pw_uid)
            gid = _number(item["group"], lambda name: grp.getgrnam(name).gr_gid)
        except KeyError as error:
            self.module.fail_json(msg="%s: %s" % (item["path"], error.args[0]))
        return uid, gid

    def validate(self, item: Item, content: bytes) -> None:
        """Run the file's own check on its new content; the old one stays where it fails."""
        if not item["validate"]:
            return
        with tempfile.TemporaryDirectory(prefix="host-files-") as folder:
            candidate = Path(folder) / Path(item["path"]).name
            candidate.write_bytes(content)
            code, out, err = self.module.run_command(item["validate"].replace("%s", str(candidate)))
        if code:
            self.module.fail_json(
                msg="The new %s is not valid, and the old one was kept: %s" % (item["path"], (err or out).strip())
            )

    def set_attributes(self, item: Item, change: Change) -> None:
        """Owner, group and mode, and the SELinux context where there are any."""
        wanted = {name: item[name] or None for name in ("path", "owner", "group", "mode")}
        arguments = self.module.load_file_common_arguments(dict(_POLICY, **wanted))
        diff: Dict[str, Dict[str, Any]] = {"before": {}, "after": {}}
        self.module.set_fs_attributes_if_different(arguments, False, diff=diff)
        change.before.update(diff["before"])
        change.after.update(diff["after"])


def unit_states(names: Sequence[str]) -> Dict[str, Dict[str, bool]]:
    """For each unit whether it is active and enabled; one that systemd does not know is left out."""
    if not names:
        return {}
    output = output_of(["systemctl", "show", "--property=Id,LoadState,ActiveState,UnitFileState", *names])
    units = [dict(line.split("=", 1) for line in unit.splitlines()) for unit in output.split("\n\n") if unit]
    return {
        unit["Id"]: {"active": unit["ActiveState"] == "active", "enabled": unit["UnitFileState"] == "enabled"}
        for unit in units
        if unit["LoadState"] == "loaded"
    }


def _number(name: str, look_up: Callable[[str], int]) -> int:
    if not name:
        return -1
    return int(name) if name.isdigit() else look_up(name)


def _shown(content: Optional[bytes]) -> str:
    """Content as a diff shows it."""
    if content is None:
        return ""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return "(%d bytes)\n" % len(content)


def main() -> None:
    """Entry point of the module."""
    folders = dict(_ATTRIBUTES, path={"type": "path", "required": True}, mode={"type": "str", "default": "0755"})
    files = dict(
        _ATTRIBUTES,
        path={"type": "path", "required": True},
        content={"type": "str"},
        base64={"type": "str"},
        mode={"type": "str", "default": "0644"},
        validate={"type": "str"},
    )
    secrets = dict(
        _ATTRIBUTES,
        path={"type": "path", "required": True},
        content={"type": "str", "required": True, "no_log": True},
        mode={"type": "str", "default": "0600"},
    )
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "str", "default": []},
            "secrets": {"type": "list", "elements": "dict", "default": [], "options": secrets},
            "folders": {"type": "list", "elements": "dict", "default": [], "options": folders},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": files,
                "mutually_exclusive": [("content", "base64")],
                "required_one_of": [("content", "base64")],
            },
        },
        supports_check_mode=True,
    )
    HostFiles(module).apply()


if __name__ == "__main__":
    main()
