"""The one exception that reaches a user: a kind, a stable code for programs, a sentence for people.

The kind follows the desktop client's rules: ``TEMPORARY`` only for what resolves itself, always with the seconds to
wait, because the client then repeats the request; anything else is final.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Language = Literal["zh", "en"]


@dataclass(frozen=True)
class Reason:
    """What is wrong, in both languages."""

    zh: str
    en: str

    def sentence(self, language: Language) -> str:
        """The sentence for the reader."""
        return self.zh if language == "zh" else self.en


class ErrorKind(StrEnum):
    """The kind of failure; the web layer maps each kind to a status."""

    INVALID = "invalid"  # the request can't be understood or breaks a rule
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"  # the request is right, the state of what it names is not
    TOO_LARGE = "too_large"
    LIMITED = "limited"  # more than the caller may have; it passes, but not soon
    UNUSABLE = "unusable"  # the content that was sent can't be used
    INTERNAL = "internal"  # our fault
    ENGINE_FAILED = "engine_failed"
    TEMPORARY = "temporary"  # resolves itself
    STORAGE_FULL = "storage_full"


class GatewayError(Exception):
    """A failure with everything an answer needs.

    Args:
        code: stable machine-readable code, ``snake_case``; never translated, never changed.
        kind: the kind of failure.
        zh: what is wrong and what to do, one Chinese sentence.
        en: the same in English.
        retry_after: seconds until a repeat makes sense; required for ``TEMPORARY``.
        param: name of the request field at fault, where there is one.
    """

    def __init__(
        self,
        code: str,
        kind: ErrorKind,
        *,
        zh: str,
        en: str,
        retry_after: int | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {en}")
        if kind is ErrorKind.TEMPORARY and retry_after is None:
            raise ValueError(f"{code}: a temporary failure needs a time to try again")
        self.code = code
        self.kind = kind
        self.zh = zh
        self.en = en
        self.retry_after = retry_after
        self.param = param

    def sentence(self, language: Language) -> str:
        """The sentence for the user in the given language."""
        return self.zh if language == "zh" else self.en


def without_frames(error: GatewayError) -> GatewayError:
    """The error without the frames that it and what led to it came through, which would keep open what they hold."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        link = waiting.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            link.__traceback__ = None
            waiting += [link.__cause__, link.__context__]
    return error


def invalid_request(zh: str, en: str, *, param: str | None = None, code: str = "invalid_request") -> GatewayError:
    """A request that can't be understood or breaks a rule; repeating it changes nothing."""
    return GatewayError(code, ErrorKind.INVALID, zh=zh, en=en, param=param)


def missing_field(name: str) -> GatewayError:
    """A required field is absent or empty."""
    return invalid_request(f"缺少参数 {name}。", f"The field {name} is missing.", param=name, code="missing_field")


def unauthorized() -> GatewayError:
    """No key, or one that is not accepted."""
    return GatewayError(
        "unauthorized",
        ErrorKind.UNAUTHORIZED,
        zh="API Key 缺失或错误，请在客户端设置中填写正确的 API Key。",
        en="The API key is missing or wrong. Enter the right one in the client's settings.",
    )


def forbidden_without_key() -> GatewayError:
    """An administrator's route on an entry that runs without API keys."""
    return GatewayError(
        "admin_needs_api_key",
        ErrorKind.FORBIDDEN,
        zh="管理接口仅在服务器设置了 API Key 时可用。",
        en="The admin view is available only on a server that has an API key set.",
    )


def not_found() -> GatewayError:
    """No such address."""
    return GatewayError(
        "not_found", ErrorKind.NOT_FOUND, zh="请求的内容不存在。", en="There is nothing at this address."
    )


def body_too_large(limit_bytes: int) -> GatewayError:
    """The request body is over the limit of its route."""
    limit = f"{limit_bytes / 2**20:.0f} MB" if limit_bytes >= 2**20 else f"{limit_bytes / 2**10:.0f} KB"
    return GatewayError(
        "body_too_large",
        ErrorKind.TOO_LARGE,
        zh=f"上传内容超过上限（{limit}），请缩小后再试。",
        en=f"The upload is over the limit of {limit}. Make it smaller and try again.",
    )


def rate_limited(retry_after: int) -> GatewayError:
    """Too many requests of one device or address; temporary, because the desktop client repeats nothing else."""
    return GatewayError(
        "rate_limited",
        ErrorKind.TEMPORARY,
        zh=f"请求过于频繁，请在 {retry_after} 秒后再试。",
        en=f"Too many requests. Try again in {retry_after} seconds.",
        retry_after=retry_after,
    )


def overloaded() -> GatewayError:
    """More concurrent requests than the entry serves."""
    return GatewayError(
        "overloaded",
        ErrorKind.TEMPORARY,
        zh="服务器连接数已满，请稍候再试。",
        en="The server has too many connections. Try again in a moment.",
        retry_after=5,
    )


def shutting_down() -> GatewayError:
    """The entry is being stopped or restarted."""
    return GatewayError(
        "shutting_down",
        ErrorKind.TEMPORARY,
        zh="服务正在重启，请稍候。",
        en="The service is restarting. Try again in a moment.",
        retry_after=10,
    )


def internal() -> GatewayError:
    """Our fault; the log has the details under the request's id."""
    return GatewayError(
        "internal_error",
        ErrorKind.INTERNAL,
        zh="服务器内部错误，请稍后重试；若仍出现，请把请求编号告知管理员。",
        en="Something broke on the server. Try again; if it stays, give the request id to the administrator.",
    )
