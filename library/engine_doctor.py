#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
# Copyright: the Twinport developers
# Apache License 2.0 (see LICENSE)
"""Ansible module: finds known faults of the CosyVoice and Duix containers and their host, cures them, proves it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_doctor
short_description: Find and cure known faults of the CosyVoice and Duix engines
version_added: "1.0.0"
description:
  - Reads the containers' logs since their last start, asks Docker and the host where logs are silent, and compares all
    of it with a catalogue of known errors.
  - Cures what the catalogue has a remedy for and O(allow) permits, each cause once in each start of a container, and
    verifies that the fault is gone and the engine answers.
  - Reports what it can't cure, with the cause and with advice for the user.
  - Needs the C(docker) program on the host and no Python package.
extends_documentation_fragment: twinport
options:
  catalogue:
    description: The catalogue of known errors, as parsed from C(doctor/known_errors.yml).
    type: dict
    required: true
  targets:
    description: Containers to look at by name.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the container.
        type: str
        required: true
      engine:
        description: What runs in it.
        type: str
        choices: [cosyvoice, duix, gateway, other]
        required: true
      expected:
        description: Whether it is a fault when there is no such container.
        type: bool
        default: true
  projects:
    description: Compose projects whose containers are examined too; their image says which engine they run.
    type: list
    elements: str
    default: []
  files:
    description:
      - Replacement files by name, as the catalogue's C(replace_file) remedies name them.
      - A name with a folder is a file that the replacement imports; it goes beside the replaced file.
    type: dict
    default: {}
  gpu:
    description: Whether the host has NVIDIA GPUs that the engines need.
    type: bool
    default: false
  allow:
    description: Remedy kinds that may be used. By default all of them; an empty list only diagnoses.
    type: list
    elements: str
  allow_delete:
    description: Whether remedies may delete what a user may want to keep, such as stopped containers.
    type: bool
    default: false
  cures_per_hour:
    description: After this number of rounds of cures within an hour a container is left alone.
    type: int
    default: 3
  verify_timeout:
    description: How long to wait for a cured engine to answer, in seconds.
    type: float
    default: 180
  disk_paths:
    description: Folders whose file systems must have free space.
    type: list
    elements: path
    default: [/, /var/lib/docker, /var/lib/containerd, /var/lib/twinport]
  state_dir:
    description: Folder of the doctor's report (C(report.json)) and memory on the host.
    type: path
    default: /var/lib/twinport/doctor
  pip:
    description: Where Python requirements come from.
    type: dict
    default: {}
    suboptions:
      index_url:
        description: A Python package index. Empty means the one that is set up in the container.
        type: str
        default: ""
      wheel_dir:
        description: A folder of wheels on the host, used instead of an index.
        type: str
        default: ""
  language:
    description: Language of RV(table).
    type: str
    choices: [en, zh]
    default: en
"""

EXAMPLES = r"""
- name: Examine and cure both engines
  engine_doctor:
    catalogue: "{{ lookup('ansible.builtin.file', 'doctor/known_errors.yml') | from_yaml }}"
    targets:
      - {name: cosyvoice-engine, engine: cosyvoice}
      - {name: duix-avatar-gen-video, engine: duix}
    files:
      server.py: "{{ lookup('ansible.builtin.file', 'engine_patch/server.py', rstrip=false) }}"
      cosyvoice_server/__init__.py: "{{ package['__init__.py'] }}"  # and so on
  register: visit

- name: Only diagnose a container that was started by hand
  engine_doctor:
    catalogue: "{{ lookup('ansible.builtin.file', 'doctor/known_errors.yml') | from_yaml }}"
    targets:
      - {name: my-cosyvoice, engine: cosyvoice}
    allow: []
"""

RETURN = r"""
healthy:
  description: Whether nothing (any more) keeps an engine from serving. In check mode, what the diagnosis found.
  type: bool
  returned: always
state:
  description: V(healthy), V(recovering) (cured, not yet proven), V(faulty), or V(given_up) (cures did not help).
  type: str
  returned: always
findings:
  description: What was found, causes with what follows from them. See docs/doctor.md for all fields.
  type: list
  elements: dict
  returned: always
  contains:
    id:
      description: The error's name in the catalogue.
      type: str
    container:
      description: Where it was found; null for the host.
      type: str
    severity:
      description: V(fault), V(warning) or V(request) (only somebody's input is at fault).
      type: str
    evidence:
      description: The first log line that shows it.
      type: str
    count:
      description: Number of incidents.
      type: int
    title:
      description: What is wrong, by language.
      type: dict
    cause:
      description: Why, by language.
      type: dict
    advice:
      description: What the user can do, by language.
      type: dict
    remedy:
      description: The remedy's kind, or null.
      type: str
    outcome:
      description:
        - What became of it; V(planned) only in check mode, else V(applied), V(failed), V(report_only),
          V(suspected), V(cause_gone), V(not_allowed), V(already_tried), V(given_up) or V(impossible).
      type: str
    applied:
      description: Whether the remedy was carried out.
      type: bool
    verified:
      description: Whether the cure was proven; null while that is open.
      type: bool
containers:
  description: The containers that were looked at, with status and state.
  type: list
  elements: dict
  returned: always
actions:
  description: What was done, or would be done in check mode, in order.
  type: list
  elements: str
  returned: always
table:
  description: The result as lines for people.
  type: list
  elements: str
  returned: always
report:
  description: The whole report, as written to C(report.json) on the host.
  type: dict
  returned: always
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.doctor.catalogue import CatalogueError, parse
from ansible.module_utils.doctor.commands import Commands
from ansible.module_utils.doctor.docker_cli import DockerError
from ansible.module_utils.doctor.doctor import Doctor, plain
from ansible.module_utils.doctor.report import table
from ansible.module_utils.doctor.settings import SettingsError, parse_settings

NOT_SETTINGS = ("catalogue", "files", "language")


def argument_spec() -> Dict[str, Any]:
    """The options, as DOCUMENTATION describes them."""
    target = {
        "name": {"type": "str", "required": True},
        "engine": {"type": "str", "required": True, "choices": ["cosyvoice", "duix", "gateway", "other"]},
        "expected": {"type": "bool", "default": True},
    }
    pip = {"index_url": {"type": "str", "default": ""}, "wheel_dir": {"type": "str", "default": ""}}
    return {
        "catalogue": {"type": "dict", "required": True},
        "targets": {"type": "list", "elements": "dict", "default": [], "options": target},
        "projects": {"type": "list", "elements": "str", "default": []},
        "files": {"type": "dict", "default": {}},
        "gpu": {"type": "bool", "default": False},
        "allow": {"type": "list", "elements": "str"},
        "allow_delete": {"type": "bool", "default": False},
        "cures_per_hour": {"type": "int", "default": 3},
        "verify_timeout": {"type": "float", "default": 180},
        "disk_paths": {
            "type": "list",
            "elements": "path",
            "default": ["/", "/var/lib/docker", "/var/lib/containerd", "/var/lib/twinport"],
        },
        "state_dir": {"type": "path", "default": "/var/lib/twinport/doctor"},
        "pip": {"type": "dict", "default": {}, "options": pip},
        "language": {"type": "str", "choices": ["en", "zh"], "default": "en"},
    }


def main() -> None:
    """Read the options, let the doctor visit, return what it says."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    options = {key: value for key, value in module.params.items() if value is not None and key not in NOT_SETTINGS}
    files = {name: content.encode("utf-8") for name, content in module.params["files"].items()}
    try:
        catalogue = parse(module.params["catalogue"])
        doctor = Doctor(catalogue, parse_settings(options, files), Commands())
        visit = doctor.visit(check_mode=module.check_mode)
    except (CatalogueError, SettingsError, DockerError, OSError) as error:
        module.fail_json(msg=str(error))
    report = visit.report
    module.exit_json(
        changed=bool(visit.actions),
        healthy=report["healthy"],
        state=report["state"],
        findings=report["findings"],
        containers=report["containers"],
        actions=list(visit.actions),
        diff=plain(visit.diffs),
        table=table(report, module.params["language"]),
        report=report,
    )


if __name__ == "__main__":
    main()
