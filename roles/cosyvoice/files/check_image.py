"""What can be checked in the engine's image without a GPU, weights or a network, at the end of its build.

``python3 check_image.py CUDA`` (such as 12.1) runs with CosyVoice's source on the path; a failed check ends it with a
sentence. Otherwise each of these shows only on a host, when the engine runs: packages of the same version are built for
several versions of CUDA, and text rules that are missing are passed over in silence.
"""

import importlib
import importlib.util
import mmap
import sys
from collections.abc import Callable
from pathlib import Path

SAMPLE = "2026年涨了3.5%"


def check_torch(cuda: str) -> None:
    """PyTorch must be built for this version of CUDA. Raises SystemExit."""
    found = importlib.import_module("torch.version").cuda
    if found != cuda:
        raise SystemExit(f"torch is built for CUDA {found}, the image needs {cuda}: correct cosyvoice_torch_index_url.")


def check_onnxruntime(cuda: str) -> None:
    """onnxruntime's provider must use the libraries of the same major version of CUDA. Raises SystemExit."""
    spec = importlib.util.find_spec("onnxruntime")
    folders = list((spec.submodule_search_locations if spec else None) or [])
    provider = Path(folders[0], "capi", "libonnxruntime_providers_cuda.so") if folders else Path("onnxruntime")
    if not provider.is_file():
        raise SystemExit("onnxruntime cannot use GPUs: onnxruntime-gpu is not what was installed.")
    needed = b"libcublas.so." + cuda.split(".", maxsplit=1)[0].encode() + b"\0"
    with provider.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(needed) < 0:
            raise SystemExit(
                f"onnxruntime is built for another CUDA than {cuda}: correct cosyvoice_onnxruntime_index_url. "
                "The default package index has builds for CUDA 11 only of this version."
            )


def check_text_rules(_cuda: str) -> None:
    """Numbers must be read with the rules that lie in the image. Raises SystemExit."""
    spoken = importlib.import_module("wetext").Normalizer(remove_erhua=False).normalize(SAMPLE)
    if any(char.isdigit() and char.isascii() for char in spoken):
        raise SystemExit(f"wetext leaves numbers as they are ({spoken}): its rules are missing.")


def check_imports(_cuda: str) -> None:
    """CosyVoice and Matcha-TTS can be imported. Raises the imports' exceptions."""
    importlib.import_module("matcha")
    importlib.import_module("cosyvoice.cli.cosyvoice")


CHECKS: tuple[Callable[[str], None], ...] = (check_torch, check_onnxruntime, check_text_rules, check_imports)


def main(cuda: str) -> None:
    """Run all checks."""
    for check in CHECKS:
        check(cuda)


if __name__ == "__main__":
    main(sys.argv[1])
