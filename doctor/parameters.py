"""The parameters of remedies and witnesses in the catalogue: which of them a kind takes, and their form."""

from __future__ import annotations

import re
from typing import Any, Callable, List, Mapping, NamedTuple, Tuple

_SIZE = re.compile(r"[0-9]+[kmg]")
_VERSION = re.compile(r"[0-9]+\.[0-9]+")


class Kind(NamedTuple):
    """Names of the parameters that a kind needs and of those that it also takes."""

    required: Tuple[str, ...] = ()
    optional: Tuple[str, ...] = ()


REMEDIES: Mapping[str, Kind] = {
    "replace_file": Kind(("file", "path")),
    "install_requirement": Kind(("requirement",), ("no_deps",)),
    "create_directories": Kind(("paths",)),
    "drop_model_cache": Kind(),
    "drop_model_plans": Kind(("pattern",)),
    "restart": Kind((), ("gpu",)),
    "recreate": Kind((), ("shm_size", "image", "compute_capability")),
    "nvidia_runtime": Kind(),
    "free_port": Kind(),
    "prune_images": Kind(),
}
WITNESSES: Mapping[str, Kind] = {
    "docker_state": Kind(),
    "request_fails": Kind(),
    "python_fails": Kind(("code",)),
    "model_damaged": Kind(),
    "path_missing": Kind(("paths",)),
    "gpu_unusable": Kind(),
    "dead_process": Kind(),
    "shm_below": Kind(("size",)),
    "wrong_image": Kind(("image", "compute_capability")),
    "disk_full": Kind(),
}


def mistakes(kind: Kind, parameters: Mapping[str, Any]) -> List[str]:
    """What is wrong with the parameters of a kind, a phrase for each mistake."""
    known = kind.required + kind.optional
    found = [f"lacks {name}" for name in kind.required if name not in parameters]
    for name, value in parameters.items():
        if name not in known:
            found.append(f"unknown parameter {name}")
        elif not _CHECKS[name][0](value):
            found.append(f"{name} must be {_CHECKS[name][1]}, found {value!r}")
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/")


def _are_paths(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_path, value))


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return isinstance(value, str) and _SIZE.fullmatch(value) is not None


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


_CHECKS: Mapping[str, Tuple[Callable[[Any], bool], str]] = {
    "code": (_is_text, "a text"),
    "compute_capability": (_is_version, "a quoted version such as '12.0'"),
    "file": (_is_text, "a text"),
    "gpu": (_is_flag, "true or false"),
    "image": (_is_text, "a text"),
    "no_deps": (_is_flag, "true or false"),
    "path": (_is_path, "an absolute path"),
    "paths": (_are_paths, "a list of absolute paths"),
    "pattern": (_is_text, "a text"),
    "requirement": (_is_text, "a text"),
    "shm_size": (_is_size, "a size such as 8g"),
    "size": (_is_size, "a size such as 8g"),
}
