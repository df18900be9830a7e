#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `build_context`: packs an image's build context the same way every time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: build_context
short_description: Pack the build contexts of images into reproducible tar files
description:
  - Packs files and folders of the control machine, one tar file for each context, and names it by a digest of its
    content, so that the digest can serve as the image's tag and a rebuild happens exactly when an input changed.
  - Meant to be delegated to the control machine. Byte code, caches and editor files are left out.
  - The tar file lies in a cache folder, as facts do; it is therefore written in check mode too and never counts as a
    change.
attributes:
  check_mode:
    support: full
    description: Returns the same as a real run.
  diff_mode:
    support: none
    description: A tar file has no readable difference.
  idempotent:
    support: full
    description: The same inputs give the same bytes.
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
    description: The folder to leave the tar file in.
    type: path
    required: true
author:
  - The Twinport developers
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
  delegate_to: localhost
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

import hashlib
import io
import os
import tarfile
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store"}
_DIGEST_LENGTH = 12


def _members(sources):
    """Yield (name in the context, path) of every folder and file, sorted by name; raises FileNotFoundError."""
    found = {}
    for target, source in sources.items():
        top = Path(source)
        if not top.exists():
            raise FileNotFoundError("%s does not exist" % top)
        found[target] = top
        if top.is_dir():
            for path in top.rglob("*"):
                relative = path.relative_to(top)
                if not _LEFT_OUT.intersection(relative.parts) and path.suffix != ".pyc":
                    found["%s/%s" % (target, relative.as_posix())] = path
    return sorted(found.items())


def _header(name, path):
    """Return a tar header that depends on nothing but the name, the kind, the executable bit and the size."""
    header = tarfile.TarInfo(name)
    if path.is_dir():
        header.type, header.mode = tarfile.DIRTYPE, 0o755
    else:
        header.mode = 0o755 if os.access(str(path), os.X_OK) else 0o644
        header.size = path.stat().st_size
    return header


def pack(sources, salt, cache):
    """Write the tar file and return (digest, path)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in _members(sources):
            header = _header(name, path)
            if header.isdir():
                tar.addfile(header)
            else:
                with path.open("rb") as content:
                    tar.addfile(header, content)
    digest = hashlib.sha256(salt.encode() + b"\0" + buffer.getvalue()).hexdigest()[:_DIGEST_LENGTH]
    target = Path(cache) / ("%s.tar" % digest)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=str(target.parent), delete=False) as part:
            part.write(buffer.getvalue())
        Path(part.name).replace(target)
    return digest, str(target)


def main():
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "contexts": {"type": "dict", "required": True},
            "salt": {"type": "str", "default": ""},
            "cache": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    salt, cache = module.params["salt"], module.params["cache"]
    try:
        packed = {name: pack(sources, salt, cache) for name, sources in module.params["contexts"].items()}
    except OSError as error:
        module.fail_json(msg="The build context could not be packed: %s" % error)
    module.exit_json(
        changed=False,
        digests={name: digest for name, (digest, _) in packed.items()},
        paths={name: path for name, (_, path) in packed.items()},
    )


if __name__ == "__main__":
    main()
