"""The one error of this package: a sentence for the user."""

from __future__ import annotations


class HostError(Exception):
    """A problem of this machine; the message says what it is and how to solve it."""
