"""The program ``twinport-doctor``: the same doctor as the Ansible module, on the host and by timer.

Exit codes: 0 healthy, 1 not healthy, 2 could not look (wrong call, damaged installation, Docker fails midway).
``match`` judges no host: it ends with 0 whatever the log contains.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional, Sequence, TextIO

from . import report as reports
from .catalogue import ENGINES, SOURCES, Catalogue, CatalogueError, parse
from .commands import Commands
from .docker_cli import DockerError
from .doctor import REPORT_FILE, Doctor
from .log_report import log_report
from .memory import read_json
from .settings import Settings, SettingsError, parse_settings

HEALTHY, UNHEALTHY, BROKEN = 0, 1, 2
CONFIG = Path("/etc/twinport/doctor.json")
INSTALLATION = Path("/opt/twinport/doctor")


class InstallationError(Exception):
    """A file of the installation is missing or damaged; the message names it."""


def installed_catalogue(installation: Path) -> Any:
    """The catalogue as the role installs it, parsed. Raises InstallationError where it is missing or damaged."""
    path = installation / "known_errors.json"
    document = read_json(path)
    if not document:
        raise InstallationError(f"{path} is missing or damaged; run the role engine_doctor again")
    return document


def main(
    arguments: Optional[Sequence[str]] = None, *, read_catalogue: Callable[[Path], Any] = installed_catalogue
) -> int:
    """Run one command; returns the exit code. ``read_catalogue`` gets the folder of the installation."""
    options = _parser().parse_args(arguments)
    options.read_catalogue = read_catalogue
    try:
        return int(options.run(options))
    except (InstallationError, CatalogueError, SettingsError, DockerError, OSError) as error:
        _say(f"twinport-doctor: {error}", sys.stderr)
        return BROKEN
    except KeyboardInterrupt:
        return BROKEN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twinport-doctor", description="Finds and cures known faults of the engines.")
    parser.add_argument("--config", type=Path, default=CONFIG, help="settings (default: %(default)s)")
    parser.add_argument("--installation", type=Path, default=INSTALLATION, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "status", "show the last report", _status)
    _add(commands, "check", "look now and change nothing", _check)
    _add(commands, "cure", "look now and cure what the settings allow", _cure)
    watch = _add(commands, "watch", "check over and over and say what changes", _watch)
    watch.add_argument("--interval", type=float, default=30.0, metavar="SECONDS", help="default: %(default)s")
    _add_match(commands)
    return parser


def _add_match(commands: Any) -> None:
    meaning = "print as JSON which known errors a log on standard input contains"
    match: argparse.ArgumentParser = commands.add_parser("match", help=meaning, description=meaning)
    match.add_argument("--engine", required=True, choices=ENGINES, help="whose log it is; any: an unknown container's")
    match.add_argument("--source", default="log", choices=SOURCES, help="what the text is (default: %(default)s)")
    match.add_argument("--json", action="store_true", help="print JSON, which is the default here")
    match.set_defaults(run=_match)


def _add(commands: Any, name: str, meaning: str, run: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=meaning, description=meaning)
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--language", choices=["en", "zh"], default="en")
    command.set_defaults(run=run)
    return command


def _status(options: argparse.Namespace) -> int:
    settings = _settings(options)
    report = read_json(Path(settings.state_dir) / REPORT_FILE)
    if report.get("schema") != reports.SCHEMA:
        raise InstallationError("there is no report yet; run `twinport-doctor check`")
    return _show(report, options)


def _check(options: argparse.Namespace) -> int:
    return _show(_doctor(options).visit(check_mode=True).report, options)


def _cure(options: argparse.Namespace) -> int:
    visit = _doctor(options).visit(check_mode=False)
    for action in visit.actions:
        _say(f"done: {action}", sys.stderr)
    return _show(visit.report, options)


def _watch(options: argparse.Namespace) -> int:
    shown: List[str] = []
    while True:
        report = _doctor(options).visit(check_mode=True).report
        lines = reports.table(report, options.language)
        if lines != shown:
            _say(f"--- {report['checked_at']}")
            _show(report, options)
            shown = lines
        time.sleep(options.interval)


def _match(options: argparse.Namespace) -> int:
    found = log_report(sys.stdin.buffer, _catalogue(options), options.engine, options.source)
    _say(json.dumps(found, ensure_ascii=False, indent=1))
    return HEALTHY


def _show(report: Mapping[str, Any], options: argparse.Namespace) -> int:
    if options.json:
        _say(json.dumps(report, ensure_ascii=False, indent=1, sort_keys=True))
    else:
        _say("\n".join(reports.table(report, options.language)))
    return HEALTHY if report["healthy"] else UNHEALTHY


def _say(text: str, stream: Optional[TextIO] = None) -> None:
    (stream or sys.stdout).write(f"{text}\n")
    (stream or sys.stdout).flush()


def _doctor(options: argparse.Namespace) -> Doctor:
    return Doctor(_catalogue(options), _settings(options), Commands())


def _catalogue(options: argparse.Namespace) -> Catalogue:
    return parse(options.read_catalogue(options.installation))


def _settings(options: argparse.Namespace) -> Settings:
    document = read_json(options.config)
    if not document:
        raise InstallationError(f"{options.config} is missing or damaged; run the role engine_doctor again")
    folder = options.installation / "files"
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
    return parse_settings(document, files)
