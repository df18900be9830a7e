"""What the exception of a failed load means: the fault's code, and the exit code for the restart policy."""

from __future__ import annotations

import re
from typing import Tuple

MOST_TEXT = 4000  # characters of an exception that are looked at
OTHER = ("load_failed", 14)

_NO_ROOM = r"No space left|Disk quota exceeded|\bMemoryError|[Cc]annot allocate memory|can't allocate memory"
_MODEL_FILES = (
    r"No valid model type|no valid model_type|not found!",
    r"PytorchStreamReader|failed finding central directory|BadZipFile|not a zip ?file|[Ff]ile is not a zip",
    r"UnpicklingError|invalid load key|pickle data was truncated|Ran out of input|EOFError|unexpected EOF",
    r"unexpected pos \d+ vs \d+|storage has wrong (?:byte )?size|corrupted",
    r"INVALID_PROTOBUF|InvalidProtobuf|Protobuf parsing failed|ModelProto does not have a graph|NO_?SUCH_?FILE",
    r"SafetensorError|Unable to load weights|Error no file named|does not appear to have a file named",
    r"Can't load (?:the )?(?:tokenizer|config|model)",
    r"state_dict for|size mismatch for|provided filename .* does not exist",
    # Of a package's own files, an import would have failed.
    r"No such file or directory: '[^']*\.(?:pt|pth|onnx|yaml|zip|json|txt|safetensors|bin|mdl)'",
    r"JSONDecodeError|ScannerError|ParserError|ComposerError|ReaderError",
)
_GPU = (
    r"CUDA|cuda[A-Z]|CUDNN|cuDNN|CUBLAS|NVML|NVIDIA driver|libcuda\.so|no kernel image",
    r"device-side assert|illegal memory access|out of memory",
)
_PACKAGES = (
    r"ModuleNotFoundError|ImportError|ErrorDuringImport|No module named|no such entity|pkg_resources",
    r"max_depth|(?<!'NoneType' object )has no attribute|unexpected keyword argument|Invalid argument to class",
    r"cannot open shared object file|undefined symbol|version `GLIBC|Descriptors cannot",
)
# The first that fits counts.
_MEANINGS: Tuple[Tuple["re.Pattern[str]", str, int], ...] = (
    (re.compile(_NO_ROOM), *OTHER),
    (re.compile("|".join(_MODEL_FILES), re.IGNORECASE), "model_incomplete", 12),
    (re.compile("|".join(_GPU)), "gpu_not_usable", 13),
    (re.compile("|".join(_PACKAGES)), "package_incomplete", 10),
)


def meaning_of(error: BaseException) -> Tuple[str, int]:
    """Stable code and exit code for the exception of a load."""
    text = "{}: {}".format(type(error).__name__, error)[:MOST_TEXT]
    for pattern, code, exit_code in _MEANINGS:
        if pattern.search(text):
            return code, exit_code
    return OTHER
