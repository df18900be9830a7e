# SPDX-License-Identifier: Apache-2.0
"""Filter that returns the paths of extra certificate authorities on a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def certificate_files(sources: Sequence[str], texts: Sequence[str], store: Mapping[str, str]) -> list[dict[str, str]]:
    """`path` on the host and `content` of each certificate, for the module `host_files`.

    Args:
        sources: certificates in PEM form on the control machine.
        texts: their contents, in the same order.
        store: the host's certificate store: its `folder`, and the `suffix` that its files need.
    """
    return [
        {"path": f"{store['folder']}/twinport-{Path(source).stem}.{store['suffix']}", "content": text}
        for source, text in zip(sources, texts, strict=True)
    ]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by their names."""
        return {"certificate_files": certificate_files}
