#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `build_context`, which runs on the control machine: action_plugins/build_context.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: build_context
short_description: Pack the build contexts of images into reproducible tar files
description:
  - Packs files and folders of the control machine, one tar file for each context, and names it by a digest of its
    content, so that the digest can serve as the image's tag and a rebuild happens exactly when an input changed.
  - Runs on the control machine, for each host in the process that has its task anyway. Byte code, caches and editor
    files are left out.
  - The tar file is in a cache folder, as facts are; it is therefore written in check mode too and never counts as a
    change.
options:
  contexts:
    description:
      - The contexts by name. Each is a dictionary of what goes in; its keys are places inside the context, its values
        files or folders.
    type: dict
    required: true
  salt:
    description: Further text that the digest depends on, for example the base image and the build arguments.
    type: str
    default: ""
  cache:
    description: The folder for the tar files.
    type: path
    required: true
extends_documentation_fragment: twinport.read_only
"""

EXAMPLES = r"""
- name: Pack the gateway
  build_context:
    contexts:
      gateway:
        Dockerfile: "{{ role_path }}/files/Dockerfile"
        gateway: "{{ playbook_dir }}/gateway"
    salt: debian:trixie-slim
    cache: "{{ playbook_dir }}/.cache/build"
"""

RETURN = r"""
digests:
  description: Of each context, the first 12 hexadecimal digits of the SHA-256 over salt, names, modes and contents.
  returned: success
  type: dict
  sample: {gateway: 3f0a9f5b2c11}
paths:
  description: The tar files.
  returned: success
  type: dict
"""
