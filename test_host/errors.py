"""The one error of this package: a sentence for the person at the keyboard."""

from __future__ import annotations


class HostError(Exception):
    """Something on this machine stands in the way; the message says what and how to cure it."""
