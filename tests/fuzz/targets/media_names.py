"""File names and paths from clients: what is stored stays inside the folder, in one component of bounded length."""

from __future__ import annotations

from gateway.domain.encodings import decoded_name
from gateway.domain.video.file_names import requested_name, stored_name, upload_names


def one_input(data: bytes) -> None:
    """Turn any text into a stored name, and any path into the name it asks for."""
    text = decoded_name(data)
    if text:
        require_component(stored_name(text))
    for name in upload_names(text, "0123456789ab"):
        require_component(name)
    asked = requested_name(text)
    if asked is not None:
        require_component(asked)


def require_component(name: str) -> None:
    """One component of a path, whatever the file system."""
    assert name not in {"", ".", ".."}
    assert "/" not in name
    assert "\0" not in name
    assert len(name.encode("utf-8", "surrogateescape")) <= 255
