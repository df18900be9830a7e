#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `entry_self_test`: does real work through both entries and reports what works."""

from __future__ import annotations

DOCUMENTATION = r"""
module: entry_self_test
short_description: Prove that the voice and the video entry work
description:
  - Calls both entries as the desktop client does. With O(work) it registers a voice, synthesises a sentence, makes
    a video of it and checks the results; without, it only checks that the entries answer.
  - M(entry_outside_test) tests from the control machine.
  - Leaves only uploads under one fixed name and one finished task, which expire by themselves.
  - In check mode it does nothing and returns an empty list of checks.
options:
  work:
    description: Do real work instead of only checking that the entries answer.
    type: bool
    default: false
  reference_audio:
    description: The bytes, in base64, of a recording of some seconds of speech in any format. Needed with O(work).
    type: str
  video:
    description:
      - A clip on the host to make the video from. Without it and O(video_content), and with O(work), the video entry is
        only checked.
    type: path
  video_content:
    description: The bytes of such a clip in base64, where it is small.
    type: str
  text:
    description: The text for the registered voice.
    type: str
    default: The self test of Twinport can be heard.
  timeout:
    description: Limit for the engines to become ready and for a task to finish, in seconds.
    type: int
    default: 600
extends_documentation_fragment: [twinport.read_only, twinport.entries, twinport.tls]
"""

EXAMPLES = r"""
- name: Ask both entries for real work
  entry_self_test:
    voice_url: http://127.0.0.1:9090
    video_url: http://127.0.0.1:8383
    work: true
    reference_audio: "{{ lookup('ansible.builtin.pipe', 'base64 < reference.mp3') }}"
    video: /opt/twinport/self_test/clip.mp4
  register: proof
  failed_when: not proof.ok
"""

RETURN = r"""
ok:
  description: Whether every check holds.
  returned: always
  type: bool
checks:
  description: The checks in the order they were made.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Stable name, for example C(voice_speech).
      type: str
    ok:
      description: Whether it holds.
      type: bool
    detail:
      description: What was seen, or what is wrong and what to do.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.entry_client import ENTRY_OPTIONS
from ansible.module_utils.entry_test import ask_inside


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            **ENTRY_OPTIONS,
            "work": {"type": "bool", "default": False},
            "reference_audio": {"type": "str"},
            "video": {"type": "path"},
            "video_content": {"type": "str"},
            "text": {"type": "str", "default": "The self test of Twinport can be heard."},
            "timeout": {"type": "int", "default": 600},
        },
        required_if=[("work", True, ["reference_audio"])],
        mutually_exclusive=[("video", "video_content")],
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, ok=True, checks=[])
    report = ask_inside(module.params)
    module.exit_json(changed=False, ok=report.ok, checks=report.checks)


if __name__ == "__main__":
    main()
