"""The module that a server imports: the classes of the chosen generation, and `AutoModel`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from ..switches import read_switches
from . import path_generation, tensor_generation
from .base import BaseCosyVoice

# The real package fails here too, with the same line, where its submodule is missing.
if importlib.util.find_spec("matcha") is None:
    raise ModuleNotFoundError("No module named 'matcha'", name="matcha")

_generation = tensor_generation if read_switches().prompt == "tensor" else path_generation
CosyVoice: type[BaseCosyVoice] = _generation.CosyVoice
CosyVoice2: type[BaseCosyVoice] = _generation.CosyVoice2
CosyVoice3: type[BaseCosyVoice] = _generation.CosyVoice3


def AutoModel(**kwargs: Any) -> BaseCosyVoice:  # noqa: N802 - the real package's name
    """The class for a model's folder. Raises TypeError if there is none."""
    for kind in (CosyVoice, CosyVoice2, CosyVoice3):
        if (Path(kwargs["model_dir"]) / f"{kind.__name__.lower()}.yaml").exists():
            return kind(**kwargs)
    raise TypeError("No valid model type found!")
