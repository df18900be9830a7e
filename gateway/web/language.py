"""Which language a client reads: Chinese unless ``Accept-Language`` prefers English."""

from __future__ import annotations

from starlette.datastructures import Headers

from gateway.domain.errors import Language


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def preferred_language(headers: Headers) -> Language:
    """The client's preferred language of the two; Chinese if it states none or prefers both alike."""
    liked: dict[str, float] = {"zh": 0.0, "en": 0.0}
    for choice in headers.get("accept-language", "").split(","):
        tag, _, parameters = choice.strip().partition(";")
        primary = tag.split("-")[0].lower()
        if primary in liked:
            liked[primary] = max(liked[primary], _quality(parameters))
    return "en" if liked["en"] > liked["zh"] else "zh"
