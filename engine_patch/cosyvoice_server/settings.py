"""Settings, read from the environment."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Dict, Mapping, Optional


@dataclasses.dataclass(frozen=True)
class Settings:
    """Each field is the environment variable `COSYVOICE_<FIELD>`; the names say where it is bytes or seconds."""

    host: str = "0.0.0.0"  # noqa: S104 - the container's own network
    port: int = 50000
    # A ModelScope id or a local folder.
    model: str = "iic/CosyVoice-300M"
    engine_mode: str = "gpu"
    # Options of the model's class, passed on where the installed package knows them.
    fp16: Optional[bool] = None
    load_jit: Optional[bool] = None
    load_trt: Optional[bool] = None
    load_vllm: Optional[bool] = None
    trt_concurrent: Optional[int] = None
    # Number of requests that the model works on at once, that may wait, and the longest wait.
    slots: int = 1
    queue_limit: int = 32
    queue_timeout_seconds: float = 300.0
    max_upload_bytes: int = 64 * 2**20
    max_text_chars: int = 5000
    max_prompt_chars: int = 1000
    prompt_min_seconds: float = 0.5
    prompt_max_seconds: float = 30.0
    read_timeout_seconds: float = 60.0
    send_timeout_seconds: float = 60.0
    max_buffered_bytes: int = 16 * 2**20
    voices_dir: str = ""
    voices_max: int = 500
    voices_in_memory: int = 100
    download_attempts: int = 5
    # 0: stay up after a failed load.
    failed_exit_seconds: float = 30.0
    shutdown_seconds: int = 8

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], **overrides: Any) -> Settings:
        """`overrides` other than None win. Raises ValueError, naming the variable, for a value that can't be read."""
        values: Dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            text = environ.get("COSYVOICE_" + field.name.upper(), "").strip()
            if text:
                values[field.name] = _read_setting(field.name, str(field.type), text)
        values.update({name: value for name, value in overrides.items() if value is not None})
        if not values.get("voices_dir"):
            cache = environ.get("MODELSCOPE_CACHE") or str(Path.home() / ".cache" / "modelscope")
            values["voices_dir"] = str(Path(cache) / "twinport_voices")
        return cls(**values)


def _read_setting(name: str, kind: str, text: str) -> Any:
    try:
        if "bool" in kind:
            return parse_switch(text)
        if "int" in kind:
            return int(text)
        if "float" in kind:
            return float(text)
    except ValueError:
        raise ValueError("COSYVOICE_{}={!r} is not a valid {}".format(name.upper(), text, kind)) from None
    return text


def parse_switch(text: str) -> bool:
    """Read true/1/yes/on and false/0/no/off in any case; ValueError for anything else."""
    word = text.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off"}:
        return False
    raise ValueError(text)
