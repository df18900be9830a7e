"""Measurements side by side: ours against what a user could use instead, as ratios within one run."""
