"""The interface of the `cosyvoice` package in sight, as JSON: `python signatures.py`, in the real engine's environment.

For each class and method below: the names of its parameters in order, and those with a default with it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import Any

CLASSES = {
    "CosyVoice": "cosyvoice.cli.cosyvoice",
    "CosyVoice2": "cosyvoice.cli.cosyvoice",
    "CosyVoice3": "cosyvoice.cli.cosyvoice",
}
PARTS = {
    "frontend": ("cosyvoice.cli.frontend", ("CosyVoiceFrontEnd", "TensorFrontEnd")),
    "model": ("cosyvoice.cli.model", ("CosyVoice2Model", "SpeechModel")),
}
PART_METHODS = {
    "frontend": ("text_normalize", "_extract_text_token", "frontend_sft", "frontend_zero_shot"),
    "model": ("llm_job", "tts"),
}


def described(function: Any) -> list[list[Any]]:
    """Name, and default where it is a plain one, of each parameter but `self`."""
    parameters = [parameter for name, parameter in inspect.signature(function).parameters.items() if name != "self"]
    return [
        [parameter.name, parameter.default if isinstance(parameter.default, (str, bool, int, float)) else None]
        for parameter in parameters
    ]


def methods_of(kind: type) -> dict[str, list[list[Any]]]:
    """The constructor and the public methods."""
    names = [name for name in dir(kind) if name == "__init__" or not name.startswith("_")]
    return {name: described(getattr(kind, name)) for name in names if callable(getattr(kind, name))}


def main() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, module in CLASSES.items():
        kind = getattr(importlib.import_module(module), name, None)
        if kind is not None:
            found[name] = methods_of(kind)
    for part, (module, names) in PARTS.items():
        imported = importlib.import_module(module)
        kind = next(getattr(imported, name) for name in names if hasattr(imported, name))
        found[part] = {name: described(getattr(kind, name)) for name in PART_METHODS[part]}
        found[part + "_dictionaries"] = sorted(
            name
            for name in kind.__init__.__code__.co_names
            if name.endswith("_dict")  # type: ignore[misc]
        )
    return found


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main()) + "\n")
