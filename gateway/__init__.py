"""Twinport's gateway: the voice entry (9090) and the video entry (8383)."""

__version__ = "1.0.0"
