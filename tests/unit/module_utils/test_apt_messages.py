"""What apt-get said on real hosts, and what is made of it: the culprit, the reason, a cure."""

from __future__ import annotations

import pytest

from module_utils.apt_messages import faults, held, is_locked, removed, sentence, unmet

UNRESOLVED = """\
Hit:1 http://archive.example/debian bookworm InRelease
Err:2 http://ppa.example/ubuntu jammy InRelease
  Could not resolve 'ppa.example'
Reading package lists...
W: Failed to fetch http://ppa.example/ubuntu/dists/jammy/InRelease  Could not resolve 'ppa.example'
W: Some index files failed to download. They have been ignored, or old ones used instead.
"""
NO_KEY = """\
Err:1 https://nvidia.github.io/libnvidia-container/stable/deb/amd64  InRelease
  The following signatures couldn't be verified because the public key is not available: NO_PUBKEY DDCAE044F796ECB0
E: The repository 'https://nvidia.github.io/libnvidia-container/stable/deb/amd64  InRelease' is not signed.
"""
CD_ROM = """\
Err:6 cdrom://[Debian 12 NETINST] bookworm Release
  Please use apt-cdrom to make this CD-ROM recognized by APT. apt-get update cannot be used to add new CD-ROMs
E: The repository 'cdrom://[Debian 12 NETINST] bookworm Release' does not have a Release file.
"""
CONFLICT = """\
The following packages have unmet dependencies:
 containerd.io : Conflicts: containerd
 docker-ce : Depends: containerd.io (>= 1.7.27)
E: Unable to correct problems, you have held broken packages.
"""
REMOVAL = """\
The following packages will be REMOVED:
  containerd.io* docker-ce-cli
The following NEW packages will be installed:
  containerd docker.io
E: Packages need to be removed but remove is disabled.
"""
HELD = """\
The following held packages will be changed:
  runc
E: Held packages were changed and -y was used without --allow-change-held-packages.
"""
SCRIPT = """\
Setting up docker.io (26.1.5+dfsg1-9+b5) ...
addgroup: Unable to lock /etc/group: Operation not permitted
dpkg: error processing package docker.io (--configure):
 installed docker.io package post-installation script subprocess returned error exit status 1
E: Sub-process /usr/bin/dpkg returned an error code (1)
"""
LOCKED = """\
E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)
E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?
"""


@pytest.mark.parametrize(
    ("text", "subject", "words"),
    [
        (UNRESOLVED, "http://ppa.example/ubuntu jammy", "Could not resolve"),
        (NO_KEY, "https://nvidia.github.io/libnvidia-container/stable/deb/amd64", "NO_PUBKEY"),
        (CD_ROM, "cdrom://[Debian", "CD-ROM"),
        (CONFLICT, "", "containerd.io : Conflicts: containerd"),
        (REMOVAL, "", "would have to be removed: containerd.io, docker-ce-cli"),
        (HELD, "", "would have to change: runc"),
        (SCRIPT, "package docker.io", "Unable to lock /etc/group"),
        (LOCKED, "/var/lib/dpkg/lock-frontend", "unattended-upgr (process 812)"),
        ("E: Unable to locate package docker-compose-v2\n", "package docker-compose-v2", "offers it"),
        ("E: Package 'docker.io' has no installation candidate\n", "package docker.io", "offers it"),
        ("E: Malformed entry 3 in list file /etc/apt/sources.list (Suite)\n", "/etc/apt/sources.list", "entry 3"),
        ("E: Malformed stanza 1 in source list /etc/apt/a.sources (type)\n", "/etc/apt/a.sources", "entry 1"),
        ("E: Type 'dep' is not known on line 2 in source list /etc/apt/a.list\n", "/etc/apt/a.list", "'dep'"),
        (
            "E: Conflicting values set for option Signed-By regarding source http://d/ stable: /a.gpg != /b.gpg\n",
            "http://d/ stable",
            "/a.gpg != /b.gpg",
        ),
        (
            "E: Release file for http://d.example/debian/dists/buster/InRelease is expired (invalid since 3d). Up\n",
            "http://d.example/debian buster",
            "expired (invalid since 3d)",
        ),
        (
            "E: Repository 'http://d.example/debian stable InRelease' changed its 'Suite' value from 'a' to 'b'\n",
            "http://d.example/debian stable",
            "from 'a' to 'b'",
        ),
        ("E: You don't have enough free space in /var/cache/apt/archives/.\n", "/var/cache", "not enough space"),
        ("E: Write error - write (28: No space left on device)\n", "", "no space is left"),
        ("E: Unable to mkstemp /tmp - GetTempFile (30: Read-only file system)\n", "", "read-only"),
        ("Error: dpkg was interrupted, you must manually run 'dpkg --configure -a'\n", "dpkg", "interrupted"),
    ],
)  # fmt: skip
def test_the_culprit_is_named_with_a_cure(text: str, subject: str, words: str) -> None:
    (fault,) = faults(text)
    assert fault.subject.startswith(subject)
    assert words in fault.reason
    assert fault.cure


def test_a_source_is_told_from_what_stops_apt_altogether() -> None:
    assert [fault.source for fault in faults(UNRESOLVED)] == [True]
    assert [fault.source for fault in faults("E: Malformed entry 1 in list file /etc/apt/x.list (URI)\n")] == [False]


@pytest.mark.parametrize(
    "text",
    [
        "W: Target Packages (main/binary-amd64/Packages) is configured multiple times in a.list:1 and b.list:1\n",
        "W: https://download.example/dists/x/InRelease: Key is stored in legacy trusted.gpg keyring\n",
        "N: Repository 'Debian bookworm' changed its 'Version' value from '12.8' to '12.9'\n",
        "Hit:1 http://archive.example/debian bookworm InRelease\nReading package lists...\n",
    ],
)
def test_harmless_remarks_are_no_faults(text: str) -> None:
    assert faults(text) == ()


def test_lists_end_where_the_indentation_ends() -> None:
    assert removed(REMOVAL) == ["containerd.io", "docker-ce-cli"]
    assert held(HELD) == ["runc"]
    assert len(unmet(CONFLICT)) == 2
    assert removed(HELD) == []


def test_only_a_lock_is_worth_waiting_for() -> None:
    assert is_locked(LOCKED)
    assert not is_locked(REMOVAL)


def test_a_sentence_says_what_why_and_what_to_do() -> None:
    assert sentence(faults("E: Unable to locate package x\n")) == (
        "package x: no source that was read offers it. Enable the component that has it (on Ubuntu: universe), or a "
        "source that offers it."
    )
