# SPDX-License-Identifier: Apache-2.0
"""What apt-get says when something is wrong, and what each of its sentences means. Data only."""

from __future__ import annotations

from typing import NamedTuple, Tuple


class Saying(NamedTuple):
    """A sentence: its pattern; subject and reason, expanded from the match; a cure; whether it is about a source."""

    pattern: str
    subject: str
    reason: str
    cure: str
    source: bool = False


DEAD_CURE = "Correct or remove this source, or set twinport_http_proxy if only a proxy gets there."
KEY_CURE = "Install the publisher's key and name it in the source's Signed-By, or remove the source."
LISTS_CURE = "Correct or remove this file's entry; apt reads no source at all before."
DPKG_CURE = "Run `dpkg --configure -a`, then `apt-get --fix-broken install`, and read what they say."
REMOVED_CURE = "Remove it yourself if you don't need it, or choose another docker_source."
UPDATED_CURE = "If the publisher meant it, run `apt-get update --allow-releaseinfo-change`."
ABSENT_CURE = "Enable the component that has it (on Ubuntu: universe), or a source that offers it."
ROOM_CURE = "Make room on the root disk, for example with `apt-get clean` and `journalctl --vacuum-size=100M`."

SAYINGS: Tuple[Saying, ...] = (
    Saying(
        r"The repository '(.*?) +(?:In)?Release' does not have a Release file",
        r"\1",
        "it has no release file",
        DEAD_CURE,
        source=True,
    ),
    Saying(
        r"The repository '(.*?) +(?:In)?Release' is not signed",
        r"\1",
        "it is not signed by a key that this host trusts",
        KEY_CURE,
        source=True,
    ),
    Saying(
        r".*GPG error: (.*?) +(?:In)?Release: (.*)",
        r"\1",
        r"\2",
        KEY_CURE,
        source=True,
    ),
    Saying(
        r"Release file for (\S+?)(?:/\./|/dists/)(\S*?)/?InRelease is (expired \([^)]*\))",
        r"\1 \2",
        r"its release file is \3",
        "If the host's clock is right, the archive is no longer maintained: remove it or choose another mirror.",
        source=True,
    ),
    Saying(
        r"Release file for (\S+?)(?:/\./|/dists/)(\S*?)/?InRelease is (not valid yet \([^)]*\))",
        r"\1 \2",
        r"its release file is \3",
        "Set the host's clock (timedatectl set-ntp true).",
        source=True,
    ),
    Saying(
        r"Repository '(.*?) +(?:In)?Release' changed its '(\w+)' value (.*)",
        r"\1",
        r"it changed its \2 \3",
        UPDATED_CURE,
        source=True,
    ),
    Saying(
        r"Conflicting values set for option (\S+) regarding source (\S+) (\S+): (.*)",
        r"\2 \3",
        r"two entries name it with different \1 (\4)",
        "Remove one of both entries; apt reads no source at all before.",
    ),
    Saying(
        r"Malformed (?:entry|stanza|line) (\d+) in (?:list file|source list) (\S+)(.*)",
        r"\2",
        r"entry \1 can't be read\3",
        LISTS_CURE,
    ),
    Saying(
        r"Type '(.*)' is not known on (?:line|stanza) (\d+) in source list (\S+)",
        r"\3",
        r"entry \2 has the unknown type '\1'",
        LISTS_CURE,
    ),
    Saying(
        "dpkg was interrupted",
        "dpkg",
        "it was interrupted, and refuses further work",
        DPKG_CURE,
    ),
    Saying(
        r"The package (\S+) needs to be reinstalled",
        r"package \1",
        "it was interrupted while it was installed",
        "Run `apt-get install --reinstall NAME`, or remove it with `dpkg --purge --force-remove-reinstreq NAME`.",
    ),
    Saying(
        "Unmet dependencies",
        "dpkg",
        "installed packages lack others that they need",
        "Run `apt-get --fix-broken install`.",
    ),
    Saying(
        "Packages need to be removed but remove is disabled",
        "",
        "installed packages would have to be removed",
        REMOVED_CURE,
    ),
    Saying(
        "Held packages were changed",
        "",
        "packages that are held back would have to change",
        "Release them with `apt-mark unhold NAME`, or choose another docker_source.",
    ),
    Saying(
        ".*you have held broken packages",
        "",
        "packages can't be installed together",
        "Remove what is in the way, or choose another docker_source.",
    ),
    Saying(
        r"Unable to locate package (\S+)",
        r"package \1",
        "no source that was read offers it",
        ABSENT_CURE,
    ),
    Saying(
        r"Package '(\S+)' has no installation candidate",
        r"package \1",
        "no source that was read offers it",
        ABSENT_CURE,
    ),
    Saying(
        r"Version '(\S+)' for '(\S+)' was not found",
        r"package \2",
        r"no source that was read offers version \1",
        "Choose a version that `apt-cache madison NAME` lists.",
    ),
    Saying(
        r"Failed to fetch (\S+)\s+(.*)",
        r"\1",
        r"\2",
        DEAD_CURE,
    ),
    Saying(
        r"(?:Could not get lock|Unable to lock directory) (\S+?)\.?(?: It is held by (process .*)| - .*)?$",
        r"\1",
        "another program works with packages",
        "Wait until it has ended, then run this again.",
    ),
    Saying(
        r"Unable to parse package file (\S+)",
        r"\1",
        "it is damaged",
        "Restore it: dpkg keeps copies as /var/backups/dpkg.status.*.",
    ),
    Saying(
        r"You don't have enough free space in (\S+?)\.?$",
        r"\1",
        "there is not enough space",
        ROOM_CURE,
    ),
    Saying(
        ".*No space left on device",
        "",
        "no space is left on the disk",
        ROOM_CURE,
    ),
    Saying(
        ".*Read-only file system",
        "",
        "the file system is read-only",
        "Look into `dmesg`: a failing disk is switched to read-only. Repair it, or rent another server.",
    ),
)
