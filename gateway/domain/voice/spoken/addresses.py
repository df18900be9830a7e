"""Web and mail addresses in words: the host and the path are said, the scheme and the query are not."""

from __future__ import annotations

import re
from urllib.parse import unquote

from gateway.domain.voice.spoken.marks import is_chinese

_ENDINGS = (
    "com|cn|net|org|io|ai|dev|gov|edu|co|app|me|info|biz|xyz|top|tv|cc|us|uk|eu|jp|kr|tw|hk|sg|in|de|fr|es|it|nl|ru|br"
    "|au|ca"
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAIL = re.compile(
    rf"(?<![\w.+-])(?:mailto:)?([\w.+-]{{1,64}})@((?:{_LABEL}\.){{1,8}}[A-Za-z]{{2,24}})(?![\w@])", re.ASCII
)
_URL = re.compile(r"(?:https?|ftp|wss?)://([!-;=?-~]{1,2000})", re.IGNORECASE)
_HOST = re.compile(
    rf"(?<![\w.@/-])((?:www\.)?(?:{_LABEL}\.){{1,8}}(?:{_ENDINGS}))(?![\w@-]|\.\w)((?:/[!-;=?-~]{{0,1000}})?)", re.ASCII
)
_LONGEST_WORD = 40
# Of the surroundings that decide in which language an address is read.
_NEAR = 60


def said_addresses(text: str) -> str:
    """The text with its addresses in words; the language is that of the words around each."""
    for pattern, said in ((_URL, _url), (_MAIL, _mail), (_HOST, _host)):
        text = pattern.sub(lambda found, text=text, said=said: said(found, _chinese_near(text, found)), text)  # type: ignore[misc]
    return text


def _chinese_near(text: str, found: re.Match[str]) -> bool:
    return is_chinese(text[max(0, found.start() - _NEAR) : found.end() + _NEAR])


def _url(found: re.Match[str], chinese: bool) -> str:
    address, rest = _split_end(found[1])
    authority, slash, path = re.split(r"[?#]", address, maxsplit=1)[0].partition("/")
    host, _, port = authority.rpartition("@")[2].partition(":")
    words = _dotted(host, chinese=chinese)
    if port.isdecimal():
        words += f"端口{port}" if chinese else f" port {port}"
    return words + (_path(path, chinese=chinese) if slash else "") + rest


def _host(found: re.Match[str], chinese: bool) -> str:
    path, rest = _split_end(found[2])
    return _dotted(found[1], chinese=chinese) + _path(re.split(r"[?#]", path)[0], chinese=chinese) + rest


def _mail(found: re.Match[str], chinese: bool) -> str:
    name = _dotted(found[1].replace("-", " ").replace("_", " "), chinese=chinese)
    return name + ("艾特" if chinese else " at ") + _dotted(found[2], chinese=chinese)


def _split_end(address: str) -> tuple[str, str]:
    """An address and the punctuation of the sentence behind it."""
    end = len(address.rstrip(".,;:!?'\")*_"))
    if address[end : end + 1] == ")" and "(" in address[:end]:
        end += 1
    return address[:end], address[end:]


def _dotted(host: str, *, chinese: bool) -> str:
    labels = [re.sub(r"[^\w]+", " ", label).strip() for label in host.removeprefix("www.").split(".")]
    if chinese:
        # In names digits are said one by one.
        labels = [re.sub("[0-9]", lambda digit: "零一二三四五六七八九"[int(digit[0])], label) for label in labels]
    return ("点" if chinese else " dot ").join(label for label in labels if label)


def _path(path: str, *, chinese: bool) -> str:
    said = ""
    for part in path.split("/"):
        words = [re.sub(r"[\W_]+", " ", word).strip() for word in unquote(part).split(".")]
        # Codes that nobody could follow are left out.
        if not any(words) or max(map(len, " ".join(words).split()), default=0) > _LONGEST_WORD:
            continue
        said += ("斜杠" if chinese else " slash ") + ("点" if chinese else " dot ").join(word for word in words if word)
    return said
