"""Import of the `cosyvoice` package and construction of the model's object."""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path
from typing import Any, Dict

from .generations import parameters
from .settings import Settings

log = logging.getLogger(__name__)


def import_package() -> Any:
    """Import CosyVoice's own module, from the source tree around `server.py`. Raises the exceptions of the import.

    Matcha-TTS is imported as well: CosyVoice itself misses it only after the download of gigabytes.
    """
    for folder in Path(__file__).resolve().parents:
        if (folder / "cosyvoice" / "cli").is_dir():
            sys.path.extend([str(folder), str(folder / "third_party" / "Matcha-TTS")])
            break
    package = importlib.import_module("cosyvoice.cli.cosyvoice")
    importlib.import_module("matcha")
    return package


def build_model(package: Any, folder: str, settings: Settings) -> Any:
    """Create the model object with the options that its class knows. Raises the exceptions of its class."""
    name = model_class_name(Path(folder))
    known_class = getattr(package, name, None)
    build = getattr(package, "AutoModel", None) or known_class
    if build is None:
        raise TypeError("No valid model type found: this cosyvoice package has no " + name)
    known = parameters(known_class) if known_class is not None else []
    options: Dict[str, Any] = {}
    for option in ("fp16", "load_jit", "load_trt", "load_vllm", "trt_concurrent"):
        value = getattr(settings, option)
        if value is None:
            continue
        if option == "load_vllm" and value:
            # Its pins contradict the image's, and its work can't be stopped when a client leaves.
            log.error("COSYVOICE_LOAD_VLLM is not supported and left out: the model runs without vLLM")
        elif option in known:
            options[option] = value
        else:
            log.warning("%s is set, but %s does not know it", option, name)
    return build(model_dir=folder, **options)


def model_class_name(folder: Path) -> str:
    """The class for a model's folder. Raises ValueError where the folder has none of the known description files."""
    for name in ("CosyVoice", "CosyVoice2", "CosyVoice3"):
        if (folder / (name.lower() + ".yaml")).is_file():
            return name
    raise ValueError("{}/cosyvoice.yaml not found! The model's folder is incomplete.".format(folder))
