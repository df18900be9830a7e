# SPDX-License-Identifier: Apache-2.0
"""Trying what apt would do, in a copy of its state, so that nothing on the host changes."""

from __future__ import annotations

import ctypes
import dataclasses
import fcntl
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..apt_commands import Outcome, apt_get, folders, install_arguments
from ..apt_messages import Fault, faults
from ..apt_probe import with_files
from ..file_flags import is_immutable
from ..host_commands import text_of
from .apt_state import AptState

# Apt writes only below the temporary folder, and runs no program of the host's, which might write elsewhere.
_CONFIGURATION = """\
Dir::State::lists "{folder}/lists";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}/log";
Debug::NoLocking "1";
APT::Get::List-Cleanup "0";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear AptCli::Hooks;
Acquire::Retries "1";
Acquire::http::Timeout "8";
Acquire::https::Timeout "8";
"""
_AUTHORITIES = 'Acquire::https::CAInfo "{0}";\n'
# Only the release files: whether a source answers and is signed shows there, and they are small.
_NO_INDEXES = ("-o", "Acquire::IndexTargets::deb::Packages::DefaultEnabled=false")
_NOTHING_ELSE = (
    "-o", "Acquire::IndexTargets::deb::Translations::DefaultEnabled=false",
    "-o", "Acquire::IndexTargets::deb-src::Sources::DefaultEnabled=false",
)  # fmt: skip
_REFRESH_S, _FIRST_REFRESH_S, _TRY_S = 60, 180, 60
# Files of accounts, which a package that brings a group or a user has to change.
_ACCOUNTS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow")
_DOCKER = re.compile(r"docker(\.io|-ce)\b")


@dataclasses.dataclass(frozen=True)
class Installation:
    """One installation of the run: packages, and the options of `install_arguments` that it will have."""

    names: Tuple[str, ...]
    options: Mapping[str, bool] = dataclasses.field(default_factory=dict)


def ask_apt(wanted: Sequence[Installation], needed: bool, network: Mapping[str, Any]) -> AptState:
    """What would come of the run's installations.

    Args:
        wanted: those whose packages the host's own sources should have.
        needed: whether there will be others as well, from sources that are not there yet.
        network: http_proxy, https_proxy, no_proxy, ca_certificates as the options of the module host_survey.
    """
    places = folders()
    if not places or not (wanted or needed):
        return AptState()
    state = AptState(
        lock_holder=lock_holder([Path(places["dpkg"]) / "lock-frontend", Path(places["lists"]) / "lock"]),
        interrupted=any(path.name.isdigit() for path in (Path(places["dpkg"]) / "updates").glob("*")),
        frozen=_frozen_accounts() if needed or any(_DOCKER.match(name) for one in wanted for name in one.names) else (),
        **_dpkg_state(),
    )
    try:
        with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="twinport-apt-") as folder:
            return _try(state, Trial(Path(folder), places, network), wanted)
    except OSError as error:
        return dataclasses.replace(state, problem=str(error))


class Trial:
    """A copy of apt's lists, in which it may do what it likes.

    Args:
        folder: empty and temporary.
        places: as `folders` gives them.
        network: as in `ask_apt`.
    """

    def __init__(self, folder: Path, places: Mapping[str, str], network: Mapping[str, Any]) -> None:
        self.etc = places["etc"]
        lists = folder / "lists"
        for name in ("lists/partial", "cache/archives/partial", "log"):
            (folder / name).mkdir(parents=True)
        # Apt fetches as a user of its own.
        folder.chmod(0o755)
        self.known = False
        for path in Path(places["lists"]).glob("*_*"):
            (lists / path.name).symlink_to(path)
            self.known = self.known or "_Packages" in path.name
        configuration = _CONFIGURATION.format(folder=folder)
        names = ("http_proxy", "https_proxy", "no_proxy")
        self.environment = {name: network[name] for name in names if network.get(name)}
        if network.get("ca_certificates"):
            bundle = folder / "authorities.pem"
            bundle.write_text(text_of("/etc/ssl/certs/ca-certificates.crt") + "\n" + network["ca_certificates"])
            configuration += _AUTHORITIES.format(bundle)
        (folder / "apt.conf").write_text(configuration)
        self.options = ["--config-file={0}".format(folder / "apt.conf")]

    def refresh(self) -> Outcome:
        """``apt-get update``; the lists of packages are fetched only where the host has none to try with."""
        options = [*self.options, *_NOTHING_ELSE, *(_NO_INDEXES if self.known else ())]
        return self._run([*options, "update"], _REFRESH_S if self.known else _FIRST_REFRESH_S)

    def install(self, one: Installation, *more: str) -> Outcome:
        """What apt-get would do for an installation."""
        return self._run([*self.options, *more, *install_arguments(one.names, one.options)], _TRY_S)

    def _run(self, arguments: Sequence[str], seconds: float) -> Outcome:
        return apt_get(arguments, seconds, self.environment)


def _try(state: AptState, trial: Trial, wanted: Sequence[Installation]) -> AptState:
    unread = tuple(with_files(faults(trial.refresh().text), trial.etc))
    dead = {fault.subject.split(" ")[0]: fault for fault in unread if fault.source}
    refusals: List[Fault] = []
    for one in wanted:
        tried = trial.install(one, "--simulate")
        if tried.code:
            refusals += faults(tried.text) or [Fault(", ".join(one.names), tried.text.strip()[-300:], "")]
        elif dead:
            refusals += _unreachable(trial.install(one, "--print-uris").text, dead, one.names)
    if any(not fault.source for fault in unread):
        # Apt says the same of every command.
        refusals = [fault for fault in refusals if fault not in unread]
    names = tuple(name for one in wanted for name in one.names)
    return dataclasses.replace(
        state, asked=True, wanted=() if refusals else names, unread=unread, refusals=tuple(dict.fromkeys(refusals))
    )


def _unreachable(text: str, dead: Mapping[str, Fault], names: Sequence[str]) -> List[Fault]:
    """The sources that can't be read although packages would come from them."""
    addresses = re.findall(r"^'([^']+)' ", text, re.MULTILINE)
    lost = [fault for uri, fault in dead.items() if any(address.startswith(uri) for address in addresses)]
    reason = "it comes from {0}, which can't be read: {1}"
    return [Fault(", ".join(names), reason.format(fault.subject, fault.reason), fault.cure) for fault in lost]


def _frozen_accounts() -> Tuple[str, ...]:
    """The immutable ones among the files that Docker's packages change to make their group."""
    if re.search(r"^docker:", text_of("/etc/group"), re.MULTILINE):
        return ()
    return tuple(path for path in _ACCOUNTS if is_immutable(path))


def _dpkg_state() -> Dict[str, Any]:
    """Packages that dpkg has not finished, by what that means for the run; or why it can't tell."""
    command = ["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}\t${Package}\n"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace")
        return {} if "no packages found" in said else {"damage": " ".join(said.split())}
    states = re.findall(r"^(.)(.)(.)\t(.*)$", done.stdout.decode("utf-8", "replace"), re.MULTILINE)
    broken = [name for _wish, state, error, name in states if state in "FH" or error == "R"]
    waiting = [name for _wish, state, _error, name in states if state in "UWt" and name not in broken]
    return {"broken": tuple(broken), "unfinished": tuple(waiting)}


class _Flock(ctypes.Structure):
    """``struct flock`` of fcntl(2)."""

    _fields_ = (
        ("type", ctypes.c_short),
        ("whence", ctypes.c_short),
        ("start", ctypes.c_int64),
        ("length", ctypes.c_int64),
        ("pid", ctypes.c_int),
    )


def lock_holder(paths: Sequence[Path]) -> str:
    """The program that holds one of the locks of files, with its process id; "" where nobody does."""
    for path in paths:
        pid = _locked_by(path)
        if pid is not None:
            name = text_of("/proc/{0}/comm".format(pid)).strip()
            return "{0} (process {1})".format(name, pid) if name else "another program"
    return ""


def _locked_by(path: Path) -> Optional[int]:
    """The process that has locked a file; None where none has, or there is no such file."""
    wish = _Flock(type=fcntl.F_WRLCK)
    try:
        with path.open("rb") as stream:
            answer = fcntl.fcntl(stream, fcntl.F_GETLK, bytes(wish))
    except OSError:
        return None
    found = _Flock.from_buffer_copy(answer)
    return None if found.type == fcntl.F_UNLCK else int(found.pid)
