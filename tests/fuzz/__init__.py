"""Fuzzing that learns from coverage: every parser of bytes from outside, each with the properties that must hold."""
