"""The one exception that reaches a user: a stable code for programs, a sentence for people.

Statuses follow the desktop client's rules: 503 only for what passes by itself, always with ``Retry-After``,
because the client then repeats the request; anything else is final.
"""

from __future__ import annotations

from typing import Literal

Language = Literal["zh", "en"]
STORAGE_FULL = "storage_full"


class GatewayError(Exception):
    """A failure with everything an answer needs.

    Args:
        code: stable machine-readable code, ``snake_case``; never translated, never changed.
        status: HTTP status of the answer.
        zh: what is wrong and what to do, one Chinese sentence.
        en: the same in English.
        retry_after: seconds until a repeat makes sense; required for 503.
        param: name of the request field at fault, where there is one.
    """

    def __init__(
        self,
        code: str,
        status: int,
        *,
        zh: str,
        en: str,
        retry_after: int | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {en}")
        if status == 503 and retry_after is None:
            raise ValueError(f"{code}: a 503 tells when to come back")
        self.code = code
        self.status = status
        self.zh = zh
        self.en = en
        self.retry_after = retry_after
        self.param = param

    def sentence(self, language: Language) -> str:
        """The sentence for the user in the given language."""
        return self.zh if language == "zh" else self.en


def invalid_request(zh: str, en: str, *, param: str | None = None, code: str = "invalid_request") -> GatewayError:
    """A request that can't be understood or breaks a rule; repeating it changes nothing."""
    return GatewayError(code, 400, zh=zh, en=en, param=param)


def not_http() -> GatewayError:
    """The bytes that came are no request at all."""
    return invalid_request(
        "请求不符合 HTTP 协议。", "The request does not follow the HTTP protocol.", code="invalid_http"
    )


def missing_field(name: str) -> GatewayError:
    """A required field is absent or empty."""
    return invalid_request(f"缺少参数 {name}。", f"The field {name} is missing.", param=name, code="missing_field")


def unauthorized() -> GatewayError:
    """No key, or one that is not accepted."""
    return GatewayError(
        "unauthorized",
        401,
        zh="API Key 缺失或错误，请在客户端设置中填写正确的 API Key。",
        en="The API key is missing or wrong. Enter the right one in the client's settings.",
    )


def forbidden_without_key() -> GatewayError:
    """An administrator's route on an entry that runs without API keys."""
    return GatewayError(
        "admin_needs_api_key",
        403,
        zh="管理接口仅在服务器设置了 API Key 时可用。",
        en="The admin view is available only on a server that has an API key set.",
    )


def not_found() -> GatewayError:
    """No such address."""
    return GatewayError("not_found", 404, zh="请求的内容不存在。", en="There is nothing at this address.")


def method_not_allowed() -> GatewayError:
    """The address exists, the method does not."""
    return GatewayError(
        "method_not_allowed", 405, zh="该地址不支持此请求方法。", en="This address does not take that method."
    )


def body_too_large(limit_bytes: int) -> GatewayError:
    """The request body is over the limit of its route."""
    limit = f"{limit_bytes / 2**20:.0f} MB" if limit_bytes >= 2**20 else f"{limit_bytes / 2**10:.0f} KB"
    return GatewayError(
        "body_too_large",
        413,
        zh=f"上传内容超过上限（{limit}），请缩小后再试。",
        en=f"The upload is over the limit of {limit}. Make it smaller and try again.",
    )


def headers_too_large() -> GatewayError:
    """Too many request headers, or too long ones."""
    return GatewayError("headers_too_large", 431, zh="请求头过大。", en="The request's headers are too large.")


def request_timeout() -> GatewayError:
    """The client stopped sending in the middle of a body."""
    return GatewayError(
        "request_timeout",
        408,
        zh="上传中断，请检查网络后重试。",
        en="The upload stopped arriving. Check the network and try again.",
    )


def rate_limited(retry_after: int) -> GatewayError:
    """Too many requests of one device or address; a 503, because the desktop client only repeats those."""
    return GatewayError(
        "rate_limited",
        503,
        zh=f"请求过于频繁，请在 {retry_after} 秒后再试。",
        en=f"Too many requests. Try again in {retry_after} seconds.",
        retry_after=retry_after,
    )


def storage_full() -> GatewayError:
    """The disk can't take what the request would store."""
    return GatewayError(
        STORAGE_FULL,
        507,
        zh="服务器磁盘空间不足，请清理磁盘后再试。",
        en="The server's disk is full. Free some space and try again.",
    )


def overloaded() -> GatewayError:
    """More requests at once than the entry serves."""
    return GatewayError(
        "overloaded",
        503,
        zh="服务器连接数已满，请稍候再试。",
        en="The server has too many connections. Try again in a moment.",
        retry_after=5,
    )


def shutting_down() -> GatewayError:
    """The entry is being stopped or restarted."""
    return GatewayError(
        "shutting_down",
        503,
        zh="服务正在重启，请稍候。",
        en="The service is restarting. Try again in a moment.",
        retry_after=10,
    )


def internal() -> GatewayError:
    """A fault of ours; the log has the details under the request's id."""
    return GatewayError(
        "internal_error",
        500,
        zh="服务器内部错误，请稍后重试；若仍出现，请把请求编号告知管理员。",
        en="Something broke on the server. Try again; if it stays, give the request id to the administrator.",
    )
