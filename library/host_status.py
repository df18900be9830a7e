#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `host_status`: what currently runs on a host, in a few short facts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_status
short_description: Report what currently runs on a host
description:
  - Asks both entries and their queues, Docker, the GPUs, the disk and the engine doctor's last report. Changes nothing;
    what can't be queried is reported as such and never fails the module.
options:
  images:
    description: The image that each container should run, by container name.
    type: dict
    required: true
  state_dir:
    description: The folder whose file system is measured, and that holds C(doctor/report.json).
    type: path
    required: true
  config_dir:
    description: The folder with the keys that the entries require for their queues, in C(voice) and C(video).
    type: path
    default: /etc/twinport
  language:
    description: Of the doctor's findings.
    type: str
    choices: [en, zh]
    default: en
extends_documentation_fragment: [twinport.read_only, twinport.tls]
"""

EXAMPLES = r"""
- name: Query the host
  host_status:
    images:
      voice-gateway: twinport/gateway:3f0a9f5b2c11
    state_dir: /var/lib/twinport
"""

RETURN = r"""
rows:
  description: What was found, ready to be shown as a table.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: For example C(voice entry) or C(disk).
      type: str
    ok:
      description: Whether it is as expected.
      type: bool
    detail:
      description: One short sentence.
      type: str
ok:
  description: Whether every row is as expected.
  returned: always
  type: bool
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.entry_client import TLS_OPTION, Answer, Entry, EntryError, Tls
from ansible.module_utils.host_commands import output_of, text_of

Row = Dict[str, Any]

_FIGURE = re.compile(r"^(\w+) ([0-9]{1,30}(?:\.[0-9]{1,30})?(?:e[+-]?[0-9]{1,3})?)$", re.ASCII | re.MULTILINE)
_ENTRIES = {"voice": "127.0.0.1:9090", "video": "127.0.0.1:8383"}
# What each entry's /metrics calls its queue, and what it means.
_KEY_FILES = ("api_keys", "admin_api_keys")
_QUEUES = {
    "voice": {"twinport_queue_length": "waiting"},
    "video": {"twinport_tasks_waiting": "waiting", "twinport_tasks_running": "at work"},
}
_LOW_DISK = 0.05
_GPU_FIELDS = "name,utilization.gpu,memory.used,memory.total,temperature.gpu"


def _row(name: str, ok: bool, detail: str) -> Row:
    return {"name": name, "ok": ok, "detail": detail}


def entry_rows(config_dir: str, tls: Optional[Tls]) -> List[Row]:
    """Ask each entry for /health and /ready, and for its queue where it answers."""
    rows = []
    for kind, address in _ENTRIES.items():
        name = kind + " entry"
        url = "%s://%s" % ("https" if tls else "http", address)
        entry = Entry(url, api_key=_api_key(Path(config_dir) / kind), timeout=10, tls=tls)
        try:
            version = entry.get("/health").require_ok().json().get("version", "unknown")
            ready = entry.get("/ready")
        except EntryError as error:
            rows.append(_row(name, False, str(error)))
            continue
        state = "ready" if ready.status == 200 else _sentence(ready)
        rows.append(_row(name, ready.status == 200, "%s, version %s" % (state, version)))
        rows.append(_queue_row(kind, entry))
    return rows


def _api_key(folder: Path) -> str:
    """The first key of the files that the gateway reads as well; empty where there is none."""
    lines = [line for name in _KEY_FILES for line in text_of(str(folder / name)).splitlines()]
    keys = [line.split("#", 1)[0].strip() for line in lines]
    return next((key for key in keys if key), "")


def _queue_row(kind: str, entry: Entry) -> Row:
    """How many requests or tasks wait, in the entry's own figures."""
    name = kind + " queue"
    try:
        answer = entry.get("/metrics")
        if answer.status == 401:
            return _row(name, True, "unknown: the entry requires an API key that is not in its files of keys")
        figures = _figures(answer.require_ok().body.decode("utf-8", "replace"))
    except EntryError as error:
        return _row(name, False, str(error))
    shown = ["%d %s" % (figures[key], word) for key, word in _QUEUES[kind].items() if key in figures]
    return _row(name, True, ", ".join(shown) or "not reported by this version of the entry")


def _figures(metrics: str) -> Dict[str, float]:
    """The values without labels of a text in Prometheus' format, by name."""
    return {name: float(value) for name, value in _FIGURE.findall(metrics)}


def _sentence(answer: Answer) -> str:
    """The entry's own reason why it is not ready."""
    try:
        body = answer.json()
    except EntryError as error:
        return str(error)
    return str(body.get("message") or body.get("state") or "not ready")


def container_rows(images: Mapping[str, str]) -> List[Row]:
    """Compare each container with the image and the state that it should have."""
    found = {}
    listing = output_of(["docker", "inspect", "--format", "{{json .}}", *images], 30)
    if not listing:
        # One missing container makes the whole call fail: query them one by one.
        listing = "".join(output_of(["docker", "inspect", "--format", "{{json .}}", name]) for name in images)
    for line in listing.splitlines():
        container = json.loads(line)
        found[container["Name"].lstrip("/")] = container
    return [_container_row(name, image, found.get(name)) for name, image in sorted(images.items())]


def _container_row(name: str, image: str, container: Optional[Mapping[str, Any]]) -> Row:
    if container is None:
        return _row(name, False, "does not exist")
    state = container["State"]
    health = state.get("Health", {}).get("Status", "no health check")
    summary = "%s, %s, %d restarts" % (state["Status"], health, container["RestartCount"])
    running = container["Config"]["Image"]
    if running != image:
        return _row(name, False, "%s; runs %s instead of %s" % (summary, running, image))
    return _row(name, state["Status"] == "running" and health == "healthy", "%s, %s" % (summary, running))


def gpu_rows() -> List[Row]:
    """One row for each GPU; none where there is no nvidia-smi."""
    if not shutil.which("nvidia-smi"):
        return []
    output = output_of(["nvidia-smi", "--query-gpu=" + _GPU_FIELDS, "--format=csv,noheader,nounits"], 30)
    rows = []
    for index, line in enumerate(output.splitlines()):
        name, load, used, total, heat = (part.strip() for part in line.split(",", 4))
        rows.append(
            _row("gpu %d" % index, True, "%s, %s %% busy, %s of %s MiB, %s °C" % (name, load, used, total, heat))
        )
    return rows or [_row("gpu", False, "nvidia-smi gives no answer: see playbooks/preflight.yml")]


def disk_row(folder: str) -> Row:
    """How full the file system of the state folder is."""
    path = Path(folder)
    while not path.exists():
        path = path.parent
    usage = shutil.disk_usage(str(path))
    return _row(
        "disk",
        usage.free > _LOW_DISK * usage.total,
        "%.0f of %.0f GiB free" % (usage.free / 2**30, usage.total / 2**30),
    )


def doctor_row(folder: str, language: str) -> Row:
    """What the engine doctor last found, each finding's title in one language."""
    text = text_of(str(Path(folder) / "doctor" / "report.json"))
    if not text:
        return _row("doctor", False, "has not run yet: run playbooks/doctor.yml")
    try:
        report = json.loads(text)
    except ValueError:
        return _row("doctor", False, "its report is not readable")
    titles = [_title(finding, language) for finding in report.get("findings", [])]
    return _row("doctor", bool(report.get("healthy")), "; ".join(titles) or "no findings")


def _title(finding: Mapping[str, Any], language: str) -> str:
    titles = finding.get("title")
    return str(titles.get(language) if isinstance(titles, dict) else finding.get("id"))


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "dict", "required": True},
            "state_dir": {"type": "path", "required": True},
            "config_dir": {"type": "path", "default": "/etc/twinport"},
            "language": {"type": "str", "choices": ["en", "zh"], "default": "en"},
            "tls": TLS_OPTION,
        },
        supports_check_mode=True,
    )
    params = module.params
    folder = params["state_dir"]
    tls = Tls(**params["tls"]) if params["tls"] else None
    rows = entry_rows(params["config_dir"], tls) + container_rows(params["images"]) + gpu_rows()
    rows += [disk_row(folder), doctor_row(folder, params["language"])]
    module.exit_json(changed=False, rows=rows, ok=all(row["ok"] for row in rows))


if __name__ == "__main__":
    main()
