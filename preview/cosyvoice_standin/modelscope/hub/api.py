"""Stand-in for ModelScope's catalogue."""

from __future__ import annotations

from typing import Any

from cosyvoice.switches import read_switches  # type: ignore[import-not-found]


class HubApi:
    """Knows each model's one file."""

    def get_model_files(self, model_id: str, recursive: bool = False, **_: Any) -> list[dict[str, Any]]:
        return [{"Name": "llm.pt", "Path": "llm.pt", "Type": "blob", "Size": read_switches().download_bytes}]
