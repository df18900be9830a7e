"""Where ModelScope keeps the model that a CosyVoice container runs. Pure."""

from __future__ import annotations

import re
from typing import Tuple

from .containers import Container

DEFAULT_CACHE = "/root/.cache/modelscope"
_OPTION = re.compile(r"--model_dir[= ]\s*['\"]?([^\s'\"]+)")
_MODEL_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")


def model_folders(container: Container) -> Tuple[str, ...]:
    """The cache folders of the container's model, in the layouts of old and new ModelScope versions.

    Empty for a model that is a folder of the user's own: only ``owner/name`` is downloaded. ModelScope writes a dot in
    a name as ``___``.
    """
    model = _model(container)
    if not _MODEL_ID.match(model):
        return ()
    owner, name = model.split("/")
    cache = container.environment.get("MODELSCOPE_CACHE", DEFAULT_CACHE).rstrip("/")
    folder = f"{owner}/{name.replace('.', '___')}"
    return tuple(f"{cache}/{place}{folder}" for place in ("hub/", "hub/models/", "models/"))


def model_places(container: Container) -> Tuple[str, ...]:
    """Where the container's model may lie: the cache folders, or the user's own folder."""
    model = _model(container)
    return (model,) if model.startswith("/") else model_folders(container)


def _model(container: Container) -> str:
    named = _OPTION.search(" ".join(container.command))
    if named:
        return named.group(1)
    return container.environment.get("COSYVOICE_MODEL", "")
