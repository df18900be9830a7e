"""Helpers that a server uses beside the classes."""
