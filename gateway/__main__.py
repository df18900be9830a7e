"""``python -m gateway voice|video``: one of the two entries, or an action on its data; configured by environment."""

from __future__ import annotations

import argparse
import sys
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import HttpUrl, SecretStr, ValidationError
from pydantic_core import PydanticUndefined

from gateway.settings import CommonSettings, VideoSettings, VoiceSettings

PREFIX = "TWINPORT_"


def _default(settings: type[CommonSettings], name: str) -> str:
    default = settings.model_fields[name].default
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default is None or default in ("", ()):
        return "empty"
    return str(default)


def _type(settings: type[CommonSettings], name: str) -> str:
    """A field's type for the help text: choices are listed, secrets and paths named as such."""
    annotation: Any = settings.model_fields[name].annotation
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "|".join(member.value for member in annotation)
    plain = next((part for part in get_args(annotation) if isinstance(part, type)), annotation)
    names = {SecretStr: "secret", HttpUrl: "URL", Path: "path", str: "text", int: "number", float: "number"}
    return "list" if get_origin(annotation) is tuple else names.get(plain, getattr(plain, "__name__", str(plain)))


def _variables(title: str, settings: type[CommonSettings], names: list[str]) -> str:
    lines = [f"{title}:"]
    for name in names:
        field = settings.model_fields[name]
        lines.append(f"  {PREFIX}{name.upper()}  ({_type(settings, name)}, default: {_default(settings, name)})")
        lines.append(f"      {field.description}")
    return "\n".join(lines)


def help_of_variables() -> str:
    """Every variable with type, default and meaning, as ``--help`` prints it."""
    own = {"port", "data_dir"}
    common = [name for name in CommonSettings.model_fields if name not in own]
    parts = [_variables("both entries", CommonSettings, common)]
    for title, settings in (("voice", VoiceSettings), ("video", VideoSettings)):
        names = [name for name in settings.model_fields if name not in common]
        parts.append(_variables(title, settings, names))
    return "\n\n".join(parts)


def _complain(error: ValidationError) -> str:
    lines = [
        f"{PREFIX}{str(problem['loc'][0]).upper() if problem['loc'] else ''}: {problem['msg']}"
        for problem in error.errors(include_input=False)
    ]
    return "\n".join(lines)


def _add_actions(entry: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    actions = entry.add_subparsers(dest="action", help="without one: run the entry")
    actions.add_parser("trust-clock", help="end a hold of deletion: a person has found the machine's clock right")
    return actions


def _add_backup_actions(voice: argparse.ArgumentParser) -> None:
    actions = _add_actions(voice)
    pack = actions.add_parser("export", help="write an archive of all voices to standard output")
    unpack = actions.add_parser("import", help="put an archive from standard input in the place of all voices")
    unpack.add_argument("--overwrite", action="store_true", help="even if the entry has other voices, which are lost")
    for parser in (pack, unpack):
        parser.add_argument("--dry-run", action="store_true", help="report what would be done, and change nothing")


def _run(arguments: argparse.Namespace) -> int:
    settings = VoiceSettings if arguments.entry == "voice" else VideoSettings
    if arguments.action == "trust-clock":
        from gateway import trust  # noqa: PLC0415 - as below

        return trust.run(settings())
    if arguments.action:
        from gateway import backup  # noqa: PLC0415 - as below

        return backup.run(arguments.action, overwrite=getattr(arguments, "overwrite", False), dry_run=arguments.dry_run)
    from gateway.web import server  # noqa: PLC0415 - --help answers without loading the entry

    if arguments.entry == "voice":
        server.run_voice(VoiceSettings())
    else:
        server.run_video(VideoSettings())
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run one entry until it is stopped; returns 2 for invalid settings."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway",
        description="Runs one of Twinport's two entries.",
        epilog="environment variables\n\n" + help_of_variables(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    entries = parser.add_subparsers(dest="entry", required=True, help="which entry to run")
    voice = entries.add_parser("voice", help="the voice entry, or a backup of its voices")
    _add_backup_actions(voice)
    _add_actions(entries.add_parser("video", help="the video entry"))
    arguments = parser.parse_args(argv)
    try:
        return _run(arguments)
    except ValidationError as error:
        sys.stderr.write(_complain(error) + "\n")
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
