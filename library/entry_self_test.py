#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `entry_self_test`: does real work through both entries and tells what works."""

from __future__ import annotations

DOCUMENTATION = r"""
module: entry_self_test
short_description: Prove that the voice and the video entry do their work
description:
  - Calls both entries as the desktop client does. With O(work) it registers a voice, has a sentence spoken, makes a
    video of it and opens the results; without, it only asks whether the entries answer.
  - M(entry_outside_test) asks from the control machine.
  - Leaves nothing behind but the uploads of one fixed name and one finished task, which expire by themselves.
attributes:
  check_mode:
    support: full
    description: Does nothing and returns an empty list of checks.
  diff_mode:
    support: none
    description: Nothing is changed.
  idempotent:
    support: full
    description: Never reports a change.
options:
  voice_url:
    description: Base URL of the voice entry.
    type: str
    required: true
  video_url:
    description: Base URL of the video entry.
    type: str
    required: true
  api_key:
    description: Sent as C(X-API-Key) where it is not empty.
    type: str
    default: ""
  work:
    description: Do real work instead of only asking.
    type: bool
    default: false
  reference_audio:
    description: The bytes, in base64, of a recording of some seconds of speech in any format. Needed with O(work).
    type: str
  video:
    description:
      - A clip on the host to make the video from. Without it and O(video_content), and with O(work), the video entry is
        only asked.
    type: path
  video_content:
    description: The bytes of such a clip in base64, where it is small.
    type: str
  text:
    description: What the registered voice says.
    type: str
    default: The self test of Twinport can be heard.
  timeout:
    description: How long engines may take to get ready, and a task to finish, in seconds.
    type: int
    default: 600
author:
  - The Twinport developers
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
from ansible.module_utils.entry_test import ask_inside


def main():
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "voice_url": {"type": "str", "required": True},
            "video_url": {"type": "str", "required": True},
            "api_key": {"type": "str", "default": "", "no_log": True},
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
