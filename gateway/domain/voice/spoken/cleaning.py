"""The whole way from a client's text to one that is plain, and from marks to what an engine reads."""

from __future__ import annotations

import re

from gateway.domain.voice.spoken.characters import plain_characters
from gateway.domain.voice.spoken.markdown import without_markdown
from gateway.domain.voice.spoken.marks import (
    COMMA,
    GAP,
    GREATER,
    HAN,
    KANA,
    LESS,
    MARKS,
    MAX_PAUSE_MS,
    MAX_PAUSES,
    OF_TAG,
    PAIRS,
    PAUSES,
    STOP,
    TAGS,
    is_chinese,
    pause_mark,
    pause_ms,
)
from gateway.domain.voice.spoken.markup import without_markup

_ENDED = frozenset(".!?。！？…;；:：,，、—~～-")
_CLOSING = "\"'”’)）》」』】] "
_EASTERN = re.compile(f"[{HAN}{KANA}，。！？；：、）」』》”]")
_PUNCTUATION = ".,;:!?，。；：！？、…)）」』》”%"
_GAPS = re.compile(f"\\s*{GAP}[\\s{GAP}]*")
_HALTS = re.compile(f"[\\s{GAP}]*[{STOP}{COMMA}][\\s{GAP}{STOP}{COMMA}]*")
_MARK = re.compile(f"[{MARKS}]")
_PAUSE_RUN = re.compile(f"(?:{PAUSES.pattern}[\\s{GAP}]*)+")


def mark_text(text: str) -> str:
    """One line of plain text, with marks only for pauses and for tags that an engine understands."""
    text = without_markdown(without_markup(plain_characters(text)))
    text = _comparisons(text, chinese=is_chinese(text))
    return _settle(text)


def without_marks(text: str) -> str:
    """The words of a marked text only."""
    return " ".join(_MARK.sub(" ", text).split())


def without_pauses(text: str) -> str:
    """A marked text with its tags and without its pauses."""
    return _settle(PAUSES.sub(GAP, text))


def written(text: str) -> str:
    """A marked text as it is stored and compared: tags and pauses in their one spelling."""

    def spelling(mark: re.Match[str]) -> str:
        if mark[0] in OF_TAG:
            return OF_TAG[mark[0]]
        return f' <break time="{pause_ms(mark[0])}ms"/> ' if PAUSES.fullmatch(mark[0]) else ""

    return " ".join(_MARK.sub(spelling, text).split())


def _settle(text: str) -> str:
    """Put a blank, a comma or a full stop in the place of each mark that stands for one, and join pauses."""
    text = _balanced(text)
    text = _joined_pauses(text)
    text = _HALTS.sub(lambda halt: _halt(text, halt), text)
    text = _GAPS.sub(lambda gap: _blank(text, gap), text)
    return " ".join(text.split())


def _halt(text: str, found: re.Match[str]) -> str:
    before = text[: found.start()].rstrip(_CLOSING)[-1:]
    after = text[found.end() : found.end() + 1]
    is_stop = STOP in found[0]
    if not before or before in _ENDED or _MARK.match(before) or (not after and not is_stop):
        return " "
    if after and after in _PUNCTUATION:
        return ""
    if _EASTERN.match(before) or (not is_stop and _EASTERN.match(after)):
        return "。" if is_stop else "，"
    return ". " if is_stop else ", "


def _blank(text: str, gap: re.Match[str]) -> str:
    before, after = text[: gap.start()][-1:], text[gap.end() :][:1]
    if not before or not after or after in _PUNCTUATION:
        return ""
    if gap[0].strip(GAP) == "" and all(_EASTERN.match(side) or _MARK.match(side) for side in (before, after)):
        return ""
    return " "


def _comparisons(text: str, *, chinese: bool) -> str:
    text = text.replace(LESS, "小于" if chinese else " is less than ")
    return text.replace(GREATER, "大于" if chinese else " is greater than ")


def _balanced(text: str) -> str:
    """Without tags that have no partner."""
    for opening, closing in PAIRS:
        first, last = TAGS[opening], TAGS[closing]
        if first not in text and last not in text:
            continue
        kept: list[str] = []
        is_open = None
        for character in text:
            if character == first:
                is_open = len(kept) if is_open is None else is_open
                kept.append(first if is_open == len(kept) else "")
            elif character == last:
                kept.append(last if is_open is not None else "")
                is_open = None
            else:
                kept.append(character)
        if is_open is not None:
            kept[is_open] = ""
        text = "".join(kept)
        text = re.sub(f"{first}[\\s{GAP}]*{last}", " ", text)
    return text


def _joined_pauses(text: str) -> str:
    """Each run of pauses as one, the first so many only."""
    count = 0

    def joined(run: re.Match[str]) -> str:
        nonlocal count
        count += 1
        if count > MAX_PAUSES:
            return COMMA
        return pause_mark(min(sum(pause_ms(mark) for mark in PAUSES.findall(run[0])), MAX_PAUSE_MS))

    return _PAUSE_RUN.sub(joined, text)
