"""Certificates that sign themselves, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """Where it lies as PEM, where its key does, and both in one file as the front wants it."""

    certificate: Path
    key: Path
    pem: Path


def make_certificate(folder: Path, name: str) -> Certificate:
    """A certificate for one host name, valid for two days."""
    made = Certificate(folder / "tls.crt", folder / "tls.key", folder / "tls.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    files = ["-addext", f"subjectAltName=DNS:{name}", "-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run([*command, *files], check=True, capture_output=True)
    made.pem.write_text(made.certificate.read_text() + made.key.read_text())
    return made
