"""How often one client may ask for work; the video contract knows no devices, so addresses count."""

from __future__ import annotations

from starlette.requests import Request

from gateway.infrastructure.rate_limit import RateLimiter


async def check_rate(request: Request) -> None:
    """Count one request that costs work.

    Raises:
        GatewayError: ``rate_limited`` (503 with the seconds to wait).
    """
    limiter: RateLimiter = request.state.device_limiter
    await limiter.check(request.client.host if request.client else "")
