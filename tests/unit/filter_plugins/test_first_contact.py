"""Hosts that can be reached but run no task: each has a cure, found in what Ansible says of them."""

from __future__ import annotations

import pytest

from filter_plugins.first_contact import FilterModule, contact_cure


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"msg": "Missing sudo password"}, "ansible_become_password"),
        ({"msg": "MODULE FAILURE", "module_stderr": "sudo: a password is required\n"}, "ansible_become_password"),
        ({"msg": "Timeout (12s) waiting for privilege escalation prompt"}, "ansible_become_password"),
        ({"module_stderr": "sudo: sorry, you must have a tty to run sudo\n"}, "requiretty"),
        ({"module_stderr": "me is not in the sudoers file.\n"}, "no right to sudo"),
        ({"module_stdout": "/bin/sh: 1: sudo: not found\r\n"}, "has no sudo"),
        ({"module_stderr": "SyntaxError: future feature annotations is not defined"}, "older than 3.8"),
        ({"msg": "ansible-core requires a minimum of Python version 3.8. Current version: 3.6.8"}, "older than 3.8"),
        ({"module_stdout": "/bin/sh: 1: /usr/bin/python3: not found\r\n"}, "no Python"),
        ({"module_stderr": "OSError: [Errno 28] No space left on device"}, "disk is full"),
        ({"module_stderr": "OSError: [Errno 30] Read-only file system: '/root/.ansible'"}, "read-only"),
        ({"msg": "something new"}, "Log in by hand"),
        ({}, "Log in by hand"),
    ],
)
def test_the_cure_fits_what_was_said(result: dict[str, str], words: str) -> None:
    assert words in contact_cure(result)


def test_it_is_a_filter() -> None:
    assert FilterModule().filters()["contact_cure"] is contact_cure
