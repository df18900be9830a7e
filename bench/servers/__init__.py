"""Servers to measure with and against: engines that cost nothing, and what a user would write or use instead."""
