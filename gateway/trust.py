"""``python -m gateway voice|video trust-clock``: a person has looked at the machine's clock, and deletion may go on."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from gateway.domain.errors import GatewayError
from gateway.infrastructure.steady_clock import LOOK_SECONDS, trust_clock
from gateway.settings import CommonSettings


def run(settings: CommonSettings) -> int:
    """Leave word for the entry that the environment describes; returns the exit status."""
    try:
        trust_clock(settings.data_dir)
    except (GatewayError, OSError) as error:
        sys.stderr.write(f"{settings.data_dir} can't be written: {error}\n")
        return 1
    sys.stdout.write(
        f"The machine's clock says {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC. The entry trusts it within "
        f"{LOOK_SECONDS:.0f} seconds, or when it starts; if that is wrong, set the clock and say so again.\n"
    )
    return 0
