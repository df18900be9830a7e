"""Tags and control tokens: SSML and HTML by what they mean, CosyVoice's documented tags kept, all others taken out."""

from __future__ import annotations

import re

from gateway.domain.voice.spoken.marks import COMMA, DEFAULT_PAUSE_MS, GAP, STOP, TAGS, pause_mark

_OPEN, _BAR, _CLOSE = "[<〈⟨‹]", "[|│∣ǀ¦┃❘]", "[>〉⟩›]"
_BLANK = f"[\\s\\\\{GAP}]*"
# <|endofprompt|>, and what is left of one: <endofprompt|>, <|endofprompt>.
_TOKEN = re.compile(
    rf"{_OPEN}{_BLANK}{_BAR}[^<>|]{{0,200}}{_BAR}{_BLANK}{_CLOSE}"
    rf"|{_OPEN}{_BLANK}{_BAR}{_BLANK}[\w/. -]{{1,40}}{_CLOSE}|{_OPEN}{_BLANK}[\w/. -]{{1,40}}{_BAR}{_BLANK}{_CLOSE}"
)
# How clients of CosyVoice3 begin a prompt by hand; the engine adds it where the model needs it.
_SYSTEM_PROMPT = re.compile(r"\A\s*You are a helpful assistant\.?\s*<\|\s*endofprompt\s*\|>", re.IGNORECASE)
_ATTRIBUTE = (
    r"""\s+[\w.:-]{1,40}\s*=\s*(?:"[^"]{0,500}"|'[^']{0,500}'|[^\s"'<>]{1,500})"""
    r"|\s+(?:open|controls|disabled|checked|hidden|async|defer|autoplay|loop|muted|required|selected|readonly)\b"
)
_TAG = re.compile(rf"<\s*(/?)\s*([A-Za-z][\w.:-]{{0,39}})((?:{_ATTRIBUTE}){{0,30}})\s*(/?)\s*>")
_ATTRIBUTES = re.compile(r"""([\w.:-]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'<>]+)""")
_UNSAID = re.compile(
    r"<!--.*?-->|<(script|style|metadata)\b[^>]*>.*?</\s*\1\s*>|<\?[^>]{0,500}\?>|<!DOCTYPE[^>]{0,500}>",
    re.IGNORECASE | re.DOTALL,
)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_TIME = re.compile(r"\+?(\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})\s*(ms|s)?", re.IGNORECASE)
_PAUSE = re.compile(
    r"\[\s*(?:pause|break|silence|停顿|暂停)(?:\s*[:=：\s]?\s*(\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})\s*"
    r"(ms|milliseconds?|s|sec|secs|seconds?|毫秒|秒)?)?\s*\]|<#\s*(\d{1,3}(?:\.\d{0,6})?)\s*#>",
    re.IGNORECASE,
)
_STRENGTHS = {"none": 0, "x-weak": 100, "weak": 250, "medium": 500, "strong": 800, "x-strong": 1200}
_BLOCKS = frozenset(
    (
        "p", "s", "div", "section", "article", "header", "footer", "aside", "nav", "main", "h1", "h2", "h3", "h4", "h5",
        "h6", "li", "ul", "ol", "dl", "dt", "dd", "tr", "table", "blockquote", "pre", "speak", "title", "figcaption",
        "caption", "option", "summary", "details", "hr", "body", "html", "head", "paragraph", "sentence",
    )
)  # fmt: skip
# They may stand within a word, so nothing is put in their place.
_INLINE = frozenset(
    (
        "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "emphasis", "font", "i",
        "ins", "kbd", "lang", "mark", "prosody", "q", "rb", "rp", "rt", "ruby", "samp", "small", "span", "strike",
        "sub", "sup", "time", "tt", "u", "var", "voice", "w", "token", "phoneme", "say-as", "wbr",
    )
)  # fmt: skip
_SHORT = {"br": "\n", "td": COMMA, "th": COMMA}
_SPELLED = frozenset(("characters", "character", "spell-out", "verbatim", "digits", "telephone"))
# Sounds that models know as tokens and the documentation of texts does not name.
_SOUNDS = re.compile(
    r"\[\s*(?:noise|cough|clucking|accent|quick_breath|hissing|sigh|vocalized-noise|lipsmack|mn)\s*\]", re.IGNORECASE
)
_KEPT = re.compile(r"\[\s*(laughter|breath)\s*\]", re.IGNORECASE)


def without_markup(text: str) -> str:
    """The text without tags and control tokens; marks stand for what they mean."""
    text = _SYSTEM_PROMPT.sub("", text)
    text = _CDATA.sub(r"\1", _UNSAID.sub(GAP, text))
    text = _PAUSE.sub(_written_pause, text)
    text = _without_tokens(text)
    text = _Tags().replace(text)
    # Taking out a tag may have joined the halves of a token.
    text = _without_tokens(text)
    return _SOUNDS.sub(GAP, _KEPT.sub(lambda found: TAGS[f"[{found[1].lower()}]"], text))


def _without_tokens(text: str) -> str:
    while True:
        text, found = _TOKEN.subn(GAP, text)
        if not found:
            return text


def _written_pause(found: re.Match[str]) -> str:
    number, unit = found[1] or found[3], (found[2] or "").lower()
    if number is None:
        return pause_mark(DEFAULT_PAUSE_MS)
    value = float(number)
    is_ms = unit in ("ms", "毫秒") or unit.startswith("milli") or (not unit and value >= 20)
    return pause_mark(value if is_ms else value * 1000)


class _Tags:
    """Replaces tags, one after the other; some of them change what stands between them."""

    def replace(self, text: str) -> str:
        pieces: list[str] = []
        place = 0
        # Without a partner <s> is no sentence, but what language models begin and end with.
        sentences = re.search(r"<s\b", text) is not None and "</s>" in text
        while (tag := _TAG.search(text, place)) is not None:
            pieces.append(text[place : tag.start()])
            place = tag.end()
            name, attributes = tag[2].lower(), _attributes(tag[3])
            inner = None if tag[1] or tag[4] else _inner(name, text, place)
            said = _instead(name, attributes, inner[0]) if inner is not None else None
            if said is not None and inner is not None:
                pieces.append(said)
                place = inner[1]
            else:
                said = _alone(name, attributes, closes=bool(tag[1]))
                pieces.append(said if name != "s" or sentences else GAP)
        return "".join((*pieces, text[place:]))


def _attributes(written: str) -> dict[str, str]:
    return {name.lower(): value.strip("\"'") for name, value in _ATTRIBUTES.findall(written)}


def _inner(name: str, text: str, start: int) -> tuple[str, int] | None:
    """What stands between a tag and its end, and the place behind; for tags that change it."""
    if name not in ("sub", "say-as"):
        return None
    end = re.compile(rf"</\s*{name}\s*>", re.IGNORECASE).search(text, start)
    return (text[start : end.start()], end.end()) if end is not None else None


def _instead(name: str, attributes: dict[str, str], inner: str) -> str | None:
    """What is said for a tag with its content; None: the content itself."""
    if name == "sub" and attributes.get("alias", "").strip():
        return attributes["alias"]
    if name == "say-as" and attributes.get("interpret-as", "").lower() in _SPELLED:
        return " ".join(character for character in _TAG.sub("", inner) if character.isalnum())
    return None


def _alone(name: str, attributes: dict[str, str], *, closes: bool) -> str:
    """What stands in the place of one tag."""
    tag = f"</{name}>" if closes else f"<{name}>"
    if tag in TAGS:
        return TAGS[tag]
    if name in ("break", "mstts:silence"):
        return "" if closes else _break(attributes)
    if name == "img":
        return f" {attributes.get('alt', '')} "
    if name in _BLOCKS:
        return STOP
    return _SHORT.get(name, "" if name in _INLINE else GAP)


def _break(attributes: dict[str, str]) -> str:
    time = _TIME.fullmatch(attributes.get("time", attributes.get("value", "")).strip())
    if time is not None:
        return pause_mark(float(time[1]) * (1 if (time[2] or "ms").lower() == "ms" else 1000))
    return pause_mark(_STRENGTHS.get(attributes.get("strength", ""), DEFAULT_PAUSE_MS))
