"""Measurements side by side: ours against whatever a user could take instead, as ratios within one run."""
