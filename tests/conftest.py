"""What all tests share."""

from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine only.
settings.register_profile("twinport", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("twinport")
