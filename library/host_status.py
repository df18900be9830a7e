#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `host_status`: what runs on a host right now, in a few short facts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_status
short_description: Tell what runs on a host right now
description:
  - Asks both entries and their queues, Docker, the GPUs, the disk and the engine doctor's last report. Changes nothing;
    whatever can't be asked is told as such and never fails the module.
attributes:
  check_mode:
    support: full
    description: Reads only.
  diff_mode:
    support: none
    description: Reads only.
  idempotent:
    support: full
    description: Reads only.
options:
  images:
    description: The image that each container ought to run, by container name.
    type: dict
    required: true
  state_dir:
    description: The folder whose file system is measured, and that holds C(doctor/report.json).
    type: path
    required: true
  config_dir:
    description: The folder with C(voice/api_keys) and C(video/api_keys), for which the entries tell their queues.
    type: path
    default: /etc/twinport
  language:
    description: Of the doctor's findings.
    type: str
    choices: [en, zh]
    default: en
author:
  - The Twinport developers
"""

EXAMPLES = r"""
- name: Ask the host
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
      description: Whether it is as it should be.
      type: bool
    detail:
      description: One short sentence.
      type: str
ok:
  description: Whether every row is as it should be.
  returned: always
  type: bool
"""

import json
import re
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.entry_client import Entry, EntryError
from ansible.module_utils.host_commands import output_of, text_of

_ENTRIES = {"voice": "http://127.0.0.1:9090", "video": "http://127.0.0.1:8383"}
# What each entry's /metrics calls its queue, and what it means.
_QUEUES = {
    "voice": {"twinport_queue_length": "waiting"},
    "video": {"twinport_tasks_waiting": "waiting", "twinport_tasks_running": "at work"},
}
_LOW_DISK = 0.05
_GPU_FIELDS = "name,utilization.gpu,memory.used,memory.total,temperature.gpu"


def _row(name, ok, detail):
    return {"name": name, "ok": ok, "detail": detail}


def entry_rows(config_dir):
    """Ask each entry for /health and /ready, and for its queue where it answers."""
    rows = []
    for kind, url in _ENTRIES.items():
        name = kind + " entry"
        entry = Entry(url, api_key=_api_key(Path(config_dir) / kind / "api_keys"), timeout=10)
        try:
            version = entry.get("/health").require_ok().json().get("version", "unknown")
            ready = entry.get("/ready")
        except EntryError as error:
            rows.append(_row(name, False, str(error)))
            continue
        told = "ready" if ready.status == 200 else _sentence(ready)
        rows.append(_row(name, ready.status == 200, "%s, version %s" % (told, version)))
        rows.append(_queue_row(kind, entry))
    return rows


def _api_key(path):
    """The first key of the file that the gateway reads as well; empty where there is none."""
    lines = [line.strip() for line in text_of(str(path)).splitlines()]
    return next((line for line in lines if line and not line.startswith("#")), "")


def _queue_row(kind, entry):
    """How many requests or tasks wait, in the entry's own figures."""
    name = kind + " queue"
    try:
        answer = entry.get("/metrics")
        if answer.status == 401:
            return _row(name, True, "not told: the entry wants an API key that is not in its file api_keys")
        figures = _figures(answer.require_ok().body.decode("utf-8", "replace"))
    except EntryError as error:
        return _row(name, False, str(error))
    told = ["%d %s" % (figures[key], word) for key, word in _QUEUES[kind].items() if key in figures]
    return _row(name, True, ", ".join(told) or "not told by this version of the entry")


def _figures(metrics):
    """The values without labels of a text in Prometheus' format, by name."""
    return {name: float(value) for name, value in re.findall(r"(?m)^(\w+) ([0-9.e+]+)$", metrics)}


def _sentence(answer):
    """Why an entry is not ready, in its own words."""
    try:
        told = answer.json()
    except EntryError as error:
        return str(error)
    return str(told.get("message") or told.get("state") or "not ready")


def container_rows(images):
    """Compare each container with the image and the state it ought to have."""
    found = {}
    listing = output_of(["docker", "inspect", "--format", "{{json .}}", *images], 30)
    if not listing:
        # One missing container makes the whole call fail: ask one by one.
        listing = "".join(output_of(["docker", "inspect", "--format", "{{json .}}", name]) for name in images)
    for line in listing.splitlines():
        container = json.loads(line)
        found[container["Name"].lstrip("/")] = container
    return [_container_row(name, image, found.get(name)) for name, image in sorted(images.items())]


def _container_row(name, image, container):
    if container is None:
        return _row(name, False, "is not there")
    state = container["State"]
    health = state.get("Health", {}).get("Status", "no health check")
    told = "%s, %s, %d restarts" % (state["Status"], health, container["RestartCount"])
    running = container["Config"]["Image"]
    if running != image:
        return _row(name, False, "%s; runs %s instead of %s" % (told, running, image))
    return _row(name, state["Status"] == "running" and health == "healthy", "%s, %s" % (told, running))


def gpu_rows():
    """One row for each GPU; none where there is no nvidia-smi."""
    if not shutil.which("nvidia-smi"):
        return []
    told = output_of(["nvidia-smi", "--query-gpu=" + _GPU_FIELDS, "--format=csv,noheader,nounits"], 30)
    rows = []
    for index, line in enumerate(told.splitlines()):
        name, load, used, total, heat = (part.strip() for part in line.split(",", 4))
        rows.append(
            _row("gpu %d" % index, True, "%s, %s %% busy, %s of %s MiB, %s °C" % (name, load, used, total, heat))
        )
    return rows or [_row("gpu", False, "nvidia-smi gives no answer: see playbooks/preflight.yml")]


def disk_row(folder):
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


def doctor_row(folder, language):
    """What the engine doctor last found, each finding's title in one language."""
    text = text_of(str(Path(folder) / "doctor" / "report.json"))
    if not text:
        return _row("doctor", False, "has not looked yet: run playbooks/doctor.yml")
    try:
        report = json.loads(text)
    except ValueError:
        return _row("doctor", False, "its report is not readable")
    titles = [_title(finding, language) for finding in report.get("findings", [])]
    return _row("doctor", bool(report.get("healthy")), "; ".join(titles) or "no findings")


def _title(finding, language):
    titles = finding.get("title")
    return str(titles.get(language) if isinstance(titles, dict) else finding.get("id"))


def main():
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "dict", "required": True},
            "state_dir": {"type": "path", "required": True},
            "config_dir": {"type": "path", "default": "/etc/twinport"},
            "language": {"type": "str", "choices": ["en", "zh"], "default": "en"},
        },
        supports_check_mode=True,
    )
    params = module.params
    folder = params["state_dir"]
    rows = entry_rows(params["config_dir"]) + container_rows(params["images"]) + gpu_rows()
    rows += [disk_row(folder), doctor_row(folder, params["language"])]
    module.exit_json(changed=False, rows=rows, ok=all(row["ok"] for row in rows))


if __name__ == "__main__":
    main()
