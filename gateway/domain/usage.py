"""Work that is counted for each API key, and the limits of a day."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from gateway.domain.errors import ErrorKind, GatewayError, Reason

DAY_SECONDS = 86400


class Work(StrEnum):
    """What is counted."""

    REQUESTS = "requests"  # that cost work
    SPEECH_SECONDS = "speech_seconds"  # of speech that an engine made
    VIDEO_SECONDS = "video_seconds"  # of finished video


_NAMES = {
    Work.REQUESTS: Reason("请求次数", "requests"),
    Work.SPEECH_SECONDS: Reason("语音时长", "seconds of speech"),
    Work.VIDEO_SECONDS: Reason("视频时长", "seconds of video"),
}

Used = Mapping[tuple[str, Work], float]  # of one day, by key id and work


def daily_limit(work: Work, *, limit: float, retry_after: int) -> GatewayError:
    """The key has had its share of the day.

    Args:
        work: what there is no more of.
        limit: of a day.
        retry_after: seconds until the next day.
    """
    hours = max(1, round(retry_after / 3600))
    name = _NAMES[work]
    return GatewayError(
        "daily_limit",
        ErrorKind.LIMITED,
        zh=f"此 API Key 今天的{name.zh}已达上限（{limit:g}），请约 {hours} 小时后再试，或联系管理员。",
        en=f"This API key has used its {limit:g} {name.en} of today. Try again in about {hours} h, or ask the "
        "administrator.",
        retry_after=retry_after,
    )


class UsageRecords(Protocol):
    """What was used, kept over restarts. Methods raise ``StorageError``."""

    async def read(self, day: int) -> Used:
        """What was used on a day, counted from 1970."""
        ...

    async def write(self, day: int, used: Used) -> None:
        """Keep these amounts of a day, in place of earlier ones of the same keys; what is of earlier days goes."""
        ...
