#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: an apt repository with a signing key whose fingerprint is checked."""

from __future__ import annotations

DOCUMENTATION = r"""
module: signed_apt_source
short_description: Add an apt repository whose key is checked by fingerprint
description:
  - Fetches the signing key, refuses it unless every primary key in it has an expected fingerprint, and writes the key
    and a deb822 source that trusts only those.
  - Switches off entries of other files that name the same repository, because apt refuses one repository with two keys.
  - Needs neither C(gpg) nor C(python3-debian) on the host. Does not refresh the package index.
options:
  name:
    description: Name of the source; its file is C(/etc/apt/sources.list.d/NAME.sources).
    type: str
    required: true
  state:
    description: "C(absent) removes key and source, and switches the entries of other files on again."
    type: str
    choices: [present, absent]
    default: present
  uri: {description: "Address of the repository, http(s) or file; with O(state=present).", type: str}
  suites: {description: Suites; with O(state=present)., type: list, elements: str}
  components: {description: Components; none for a flat repository., type: list, elements: str, default: []}
  key_url: {description: "Address of the signing key, http(s) or file; with O(state=present).", type: str}
  fingerprints:
    description: Fingerprints of acceptable primary keys; spaces don't matter. With O(state=present).
    type: list
    elements: str
    default: []
  replaces:
    description: Other addresses of the same repository; entries of other files that begin with one are switched off.
    type: list
    elements: str
    default: []
  root: {description: Folder of apt's configuration., type: path, default: /etc/apt}
extends_documentation_fragment: twinport
"""

EXAMPLES = r"""
- name: Add Docker's repository
  signed_apt_source:
    name: twinport-docker
    uri: https://download.docker.com/linux/debian
    suites: [bookworm]
    components: [stable]
    key_url: https://download.docker.com/linux/debian/gpg
    fingerprints: ["9DC8 5822 9FC7 DD38 854A E2D8 8D81 803C 0EBF CD88"]
"""

RETURN = r"""
actions: {description: What was or would be done., type: list, elements: str, returned: success}
"""

from pathlib import Path
from typing import List

from ansible.module_utils.apt_sources import switch_off, switch_on
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.durable_files import replace_file
from ansible.module_utils.host_commands import text_of
from ansible.module_utils.openpgp import fingerprints
from ansible.module_utils.urls import open_url

_KEY_LIMIT = 1_000_000

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "uri": {"type": "str"},
    "suites": {"type": "list", "elements": "str"},
    "components": {"type": "list", "elements": "str", "default": []},
    "key_url": {"type": "str", "no_log": False},
    "fingerprints": {"type": "list", "elements": "str", "default": []},
    "replaces": {"type": "list", "elements": "str", "default": []},
    "root": {"type": "path", "default": "/etc/apt"},
}


class SignedAptSource:
    """The key, the source file, and the files of others that name the same repository."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        root = Path(self.params["root"])
        self.key = root / "keyrings" / (self.params["name"] + ".asc")
        self.source = root / "sources.list.d" / (self.params["name"] + ".sources")
        self.others = [
            path
            for path in [root / "sources.list", *sorted((root / "sources.list.d").glob("*"))]
            if path.suffix in (".list", ".sources") and path != self.source
        ]
        self.expected = {text.replace(" ", "").upper() for text in self.params["fingerprints"]}
        self.actions: List[str] = []
        self.before: List[str] = []
        self.after: List[str] = []

    def add(self) -> None:
        """Bring all three in order and report."""
        if not self.key_is_good():
            # In check mode the authorities and proxies that the real run brings may not be there yet.
            key = b"(the key)\n" if self.module.check_mode else self.fetch_key()
            self.put(self.key, key, "fetch the signing key")
        self.put(self.source, self.render().encode(), "write the source")
        for path in self.others:
            old = text_of(str(path))
            new = switch_off(old, path.suffix == ".sources", self.is_same_repository)
            self.put(path, new.encode(), "switch off the same repository in {0}".format(path))
        self.report()

    def remove(self) -> None:
        """Take key and source away, give the other files back, and report."""
        for path in (self.source, self.key):
            if path.exists():
                self.actions.append("remove {0}".format(path))
                self.before.append(text_of(str(path)))
                if not self.module.check_mode:
                    path.unlink()
        for path in self.others:
            old = text_of(str(path))
            new = switch_on(old, path.suffix == ".sources", self.is_same_repository)
            self.put(path, new.encode(), "switch on the repository in {0} again".format(path))
        self.report()

    def report(self) -> None:
        """End the module."""
        self.module.exit_json(
            changed=bool(self.actions),
            actions=self.actions,
            diff={"before": "".join(self.before), "after": "".join(self.after)},
        )

    def key_is_good(self) -> bool:
        """Whether the key in place is one we expect, so that nothing need be fetched."""
        try:
            return set(fingerprints(self.key.read_bytes())) <= self.expected
        except (OSError, ValueError):
            return False

    def fetch_key(self) -> bytes:
        """The key file; fails the task where it can't be had or is another key."""
        url = self.params["key_url"]
        try:
            data = open_url(url, timeout=30).read(_KEY_LIMIT)
        except OSError as error:
            self.module.fail_json(
                msg="The signing key {0} can't be downloaded: {1}. Check the network and the proxy variables, or "
                "choose a mirror.".format(url, error)
            )
        try:
            found = set(fingerprints(data))
        except ValueError as error:
            self.module.fail_json(msg="{0} is not a signing key: {1}. Check the mirror's address.".format(url, error))
        if not found <= self.expected:
            self.module.fail_json(
                msg="The key at {0} is {1}, but {2} is expected. Do not trust this mirror; if the publisher has "
                "changed its key, put the new fingerprint into the variable.".format(
                    url, ", ".join(sorted(found)), " or ".join(sorted(self.expected))
                )
            )
        return bytes(data)

    def render(self) -> str:
        """The deb822 source."""
        lines = ["Types: deb", "URIs: " + self.params["uri"], "Suites: " + " ".join(self.params["suites"])]
        if self.params["components"]:
            lines.append("Components: " + " ".join(self.params["components"]))
        return "\n".join([*lines, "Signed-By: {0}".format(self.key), ""])

    def is_same_repository(self, uri: str) -> bool:
        """Whether an entry of another file names this repository."""
        return any(
            uri.rstrip("/").startswith(own.rstrip("/")) for own in [self.params["uri"], *self.params["replaces"]] if own
        )

    def put(self, path: Path, content: bytes, action: str) -> None:
        """Write a file if it differs."""
        old = text_of(str(path))
        if old.encode() == content:
            return
        self.actions.append(action)
        self.before.append(old)
        self.after.append(content.decode("utf-8", "replace"))
        if not self.module.check_mode:
            replace_file(str(path), content, 0o644)


def main() -> None:
    """Run the module."""
    needed = ["uri", "suites", "key_url", "fingerprints"]
    module = AnsibleModule(
        argument_spec=ARGUMENTS, required_if=[("state", "present", needed)], supports_check_mode=True
    )
    source = SignedAptSource(module)
    if module.params["state"] == "present":
        source.add()
    else:
        source.remove()


if __name__ == "__main__":
    main()
