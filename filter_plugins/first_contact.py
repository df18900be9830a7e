# SPDX-License-Identifier: Apache-2.0
"""What helps where a host can be reached but no task runs on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_CURES = (
    (
        r"(?:[Mm]issing|[Ii]ncorrect) sudo password|a password is required|[Tt]imeout .* waiting for privilege",
        "sudo asks for a password: give it with --ask-become-pass or in ansible_become_password, or log in as root.",
    ),
    (
        r"must have a tty|no tty present",
        "sudo wants a terminal: remove `Defaults requiretty` from the host's sudoers, or log in as root.",
    ),
    (
        r"not in the sudoers file|not allowed to execute",
        "This user has no right to sudo: log in as root, or as a user that has it (ansible_user).",
    ),
    (r"sudo: (?:command )?not found|sudo: No such file", "The host has no sudo: log in as root (ansible_user: root)."),
    (
        r"requires a minimum of Python|future feature annotations|SyntaxError",
        "The host's Python is older than 3.8: choose a newer image, or name another in ansible_python_interpreter.",
    ),
    (
        r"python\S*: (?:(?:command )?not found|No such file)|No such file .*python|interpreter .*not found",
        "The host has no Python: `apt-get install python3` or `dnf install python3` there.",
    ),
    (
        r"No space left on device|Disk quota exceeded",
        "The host's disk is full: make room there.",
    ),
    (r"Read-only file system", "The host's disk is read-only: look into `dmesg`, repair it, or rent another server."),
    (r"Permission denied", "Log in as a user that may write to its own home folder, or as root."),
)


def contact_cure(result: Mapping[str, Any]) -> str:
    """What to do, a whole sentence, given the result of a task that could not run on a host."""
    text = " ".join(str(result.get(key, "")) for key in ("msg", "module_stderr", "module_stdout"))
    for pattern, cure in _CURES:
        if re.search(pattern, text):
            return cure
    return "Log in by hand as the same user, and try `sudo python3 -c 'print(1)'` there."


class FilterModule:
    """Ansible's way to the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"contact_cure": contact_cure}
