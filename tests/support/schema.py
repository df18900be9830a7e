"""Requests made from an entry's own OpenAPI document, and whether they are answered as it says."""

from __future__ import annotations

import os
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import checks

checks.load_all_checks()
# Which texts can be spoken, which names shown and which files exist is more than a schema can say.
BEYOND_SCHEMA = [checks.CHECKS.get_one("positive_data_acceptance")]
HEALTH = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


# Set by `make fuzz`: so many new requests instead of those that every run of the tests makes.
RANDOM = int(os.environ.get("TWINPORT_RANDOM_REQUESTS", "0"))


def exercise(api: Any, *, examples: int) -> None:
    """Ask every operation so many requests, right ones and wrong ones."""
    for found in api.get_all_operations():
        operation = found.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @settings(
                max_examples=RANDOM or examples,
                deadline=None,
                suppress_health_check=HEALTH,
                derandomize=not RANDOM,
                database=None,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                case.call_and_validate(excluded_checks=BEYOND_SCHEMA, timeout=30)

            try:
                ask()
            except hypothesis.errors.Unsatisfiable:
                # Nothing can be wrong about a request without parameters.
                assert mode is schemathesis.GenerationMode.NEGATIVE
