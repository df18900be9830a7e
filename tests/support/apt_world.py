"""A throw-away world for the real apt and dpkg: their own folders, package archives on disk, and keys."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

CONFIGURATION = """\
Dir "{root}/";
Dir::State::status "{root}/var/lib/dpkg/status";
Dir::Bin::methods "/usr/lib/apt/methods";
Dir::Bin::dpkg "/usr/bin/dpkg";
DPkg::Options {{"--root={root}"; "--force-not-root"; "--force-script-chrootless";}};
DPkg::Path "";
APT::Architecture "all";
APT::Sandbox::User "{user}";
Acquire::Retries "0";
"""
FOLDERS = (
    "etc/apt/apt.conf.d", "etc/apt/sources.list.d", "etc/apt/preferences.d", "etc/apt/trusted.gpg.d",
    "var/lib/apt/lists/partial", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers",
    "var/cache/apt/archives/partial", "var/log/apt", "usr/bin",
)  # fmt: skip
DATE = "%a, %d %b %Y %H:%M:%S UTC"


class AptWorld:
    """A root folder that apt and dpkg take for the whole machine while `environment` is set.

    Args:
        folder: empty; everything lies in it, the archives too.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.folder = folder
        for name in FOLDERS:
            (self.root / name).mkdir(parents=True)
        self.status = self.root / "var/lib/dpkg/status"
        self.status.write_text("")
        self._home = folder / "gnupg"
        self._home.mkdir(mode=0o700)
        user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
        (folder / "apt.conf").write_text(CONFIGURATION.format(root=self.root, user=user))
        self.environment = {
            "APT_CONFIG": str(folder / "apt.conf"),
            "DPKG_ADMINDIR": str(self.root / "var/lib/dpkg"),
            "DPKG_ROOT": "",
        }

    def archive(
        self, name: str, packages: Mapping[str, str], signed: bool = True, days: float = 30, suite: str = "stable"
    ) -> str:
        """A flat archive; its line for sources.list.

        Args:
            name: of its folder; an existing one is replaced.
            packages: further fields of the control file, by package name; the version is 1 where they name none.
            signed: with a key that the world trusts.
            days: until it expires; a negative number makes a release of the future instead.
            suite: its name in the release file.
        """
        place = self.folder / name
        place.mkdir(exist_ok=True)
        stanzas = []
        for package, fields in packages.items():
            control = f"Package: {package}\nArchitecture: all\nMaintainer: nobody <n@example.org>\n"
            control += ("" if "Version:" in fields else "Version: 1\n") + fields + "Description: made for a test\n"
            stanzas.append(control + self._build(place, package, control))
        index = "\n".join(stanzas).encode()
        (place / "Packages").write_bytes(index)
        now = datetime.now(UTC)
        date, until = (now, now + timedelta(days=days)) if days > 0 else (now - timedelta(days=days), now)
        if 0 < days < 1:
            date, until = now - timedelta(days=9), now - timedelta(days=1)
        release = f"Origin: test\nLabel: test\nSuite: {suite}\nCodename: {suite}\nDate: {date.strftime(DATE)}\n"
        release += f"Valid-Until: {until.strftime(DATE)}\n" if days > 0 else ""
        release += f"SHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} Packages\n"
        (place / "Release").write_text(release)
        (place / "InRelease").unlink(missing_ok=True)
        if signed:
            self._sign(place)
        return f"deb copy:{place} ./\n"

    def sources(self, text: str, name: str = "sources.list.d/test.list") -> None:
        """Write one of apt's files of sources."""
        (self.root / "etc/apt" / name).write_text(text)

    def installed(self, package: str, state: str = "install ok installed", version: str = "1", more: str = "") -> None:
        """Record a package in dpkg's database."""
        stanza = f"Package: {package}\nStatus: {state}\nVersion: {version}\nArchitecture: all\n{more}"
        stanza += "Maintainer: nobody <n@example.org>\nDescription: made for a test\n\n"
        with self.status.open("a") as stream:
            stream.write(stanza)
        (self.root / "var/lib/dpkg/info" / f"{package}.list").write_text("")

    def packages(self) -> set[str]:
        """The installed packages."""
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n"],
            env={**os.environ, **self.environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return {line.split()[1] for line in done.stdout.splitlines() if line[1] == "i"}

    def apt_get(self, *arguments: str) -> str:
        """The output of apt-get in this world."""
        done = subprocess.run(
            ["apt-get", *arguments],
            env={**os.environ, **self.environment, "LC_ALL": "C"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    def _build(self, place: Path, package: str, control: str) -> str:
        """Make the package; the fields that the index has besides the control file's."""
        tree = self.folder / "tree"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        own = "".join(line + "\n" for line in control.splitlines() if not line.startswith("X-Postinst"))
        (tree / "DEBIAN/control").write_text(own)
        postinst = tree / "DEBIAN/postinst"
        postinst.unlink(missing_ok=True)
        if "X-Postinst: " in control:
            script = control.partition("X-Postinst: ")[2].partition("\n")[0]
            postinst.write_text(f"#!/bin/sh\n{script}\n")
            postinst.chmod(0o755)
        target = place / f"{package}.deb"
        subprocess.run(
            ["dpkg-deb", "--build", "-Znone", "--root-owner-group", tree, target], check=True, capture_output=True
        )
        data = target.read_bytes()
        return f"Filename: ./{package}.deb\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"

    def _sign(self, place: Path) -> None:
        """Sign the release with the world's key, which is made and trusted the first time."""
        gpg = ["gpg", "--homedir", str(self._home), "--batch", "--quiet", "--pinentry-mode", "loopback"]
        keyring = self.root / "etc/apt/trusted.gpg.d/test.gpg"
        if not keyring.exists():
            made = ["--passphrase", "", "--quick-generate-key", "test@example.org", "ed25519", "sign", "never"]
            subprocess.run([*gpg, *made], check=True, capture_output=True)
            keyring.write_bytes(subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout)
        out = ["--clear-sign", "--output", str(place / "InRelease"), str(place / "Release")]
        subprocess.run([*gpg, *out], check=True, capture_output=True)
        # Otherwise it goes on after the test.
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "gpg-agent"], check=True)
