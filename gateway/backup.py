"""``python -m gateway voice export|import``: the archive on standard output or input, a report on the error stream.

The report is one line of JSON: ``{"voices": 2, "different": true, "replaced": 0}``, or ``{"error": "sentence"}`` with
exit status 1.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from gateway.domain.voice.backup import BackupError
from gateway.infrastructure.voice.backup_folder import BackupFolder
from gateway.infrastructure.voice.backup_tar import DATABASE
from gateway.services.voice.backup import BackupReport, export_voices, import_voices
from gateway.settings import VoiceSettings


def run(action: str, *, overwrite: bool, dry_run: bool) -> int:
    """Export or import all voices of the entry that the environment describes; returns the exit status."""
    try:
        report = asdict(_run(action, VoiceSettings(), overwrite=overwrite, dry_run=dry_run))
    except BackupError as error:
        report = {"error": str(error)}
    except OSError as error:
        report = {"error": f"The voices could not be read or written: {error}."}
    sys.stderr.write(json.dumps(report) + "\n")
    return 1 if "error" in report else 0


def _run(action: str, settings: VoiceSettings, *, overwrite: bool, dry_run: bool) -> BackupReport:
    if settings.resolved_database_url != f"sqlite+aiosqlite:///{settings.data_dir / DATABASE}":
        raise BackupError(
            "The voice entry's TWINPORT_DATABASE_URL names another database: back it up and restore it with its own "
            "tools, together with the folder of the voices."
        )
    backups = BackupFolder(settings.data_dir)
    if action == "import":
        return import_voices(backups, sys.stdin.buffer, overwrite=overwrite, dry_run=dry_run)
    report = export_voices(backups, sys.stdout.buffer, dry_run=dry_run)
    sys.stdout.buffer.flush()
    return report
