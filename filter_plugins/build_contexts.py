# SPDX-License-Identifier: Apache-2.0
"""Filters for our own images: what their build contexts are made of, and what they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def build_contexts(
    targets: Sequence[str],
    *,
    folders: Mapping[str, Sequence[str]],
    source: str,
    role_files: str,
    certificates: Sequence[str],
) -> dict[str, dict[str, str]]:
    """For each target the places in its context and the files or folders that go there.

    Args:
        targets: names of the images' build stages.
        folders: folders of `source` for each target.
        source: the repository.
        role_files: folder with the `Dockerfile` and the folder `ca`.
        certificates: further files for the folder `ca`.
    """
    shared = {"Dockerfile": f"{role_files}/Dockerfile", "ca": f"{role_files}/ca"}
    further = {f"ca/{Path(path).name}": path for path in certificates}
    return {
        target: {**shared, **{folder: f"{source}/{folder}" for folder in folders[target]}, **further}
        for target in targets
    }


def image_references(digests: Mapping[str, str]) -> dict[str, str]:
    """The reference of each target's image, given the digest of its build context."""
    return {target: f"twinport/{target}:{digest}" for target, digest in digests.items()}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by their names."""
        return {"build_contexts": build_contexts, "image_references": image_references}
