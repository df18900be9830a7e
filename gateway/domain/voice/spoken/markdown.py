"""Markdown and the like: what its signs mean is kept as pauses, the signs themselves are not said."""

from __future__ import annotations

import re

from gateway.domain.voice.spoken.addresses import said_addresses
from gateway.domain.voice.spoken.marks import COMMA, GAP, GREATER, LESS, STOP, is_chinese

_FENCE = re.compile(r"^\s{0,8}(?:```+|~~~+)\s*[\w+#.-]*\s*$")
_RULE = re.compile(r"^\s*(?:(?:[-*_=]\s*){3,}|-{2,})$")
_HEADING = re.compile(r"^\s{0,8}#{1,6}\s+(.*?)\s*#*\s*$")
_QUOTE = re.compile(r"^\s*>+\s?")
_BULLET = re.compile(r"^\s*[-*+•‣▪●○◦·]\s+")
_NUMBERED = re.compile(r"^\s*(\d{1,3})[.)]\s+(?=\S)")
_CHECKBOX = re.compile(r"^\s*\[[ xX]\]\s+")
_DEFINITION = re.compile(r"^[ \t]{0,3}\[[^\]\n]{1,80}\]:[ \t]+\S+(?:[ \t]+[\"'(].*)?$", re.MULTILINE)
_TABLE_RULE = re.compile(r"^(?=.*\|.*|\s*-{2,}\s*$)\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_TABLE_ROW = re.compile(r"^\s*\|(.+)\|\s*$")

_LINK = re.compile(
    r"!?\[([^\[\]\n]{0,500})\]\(\s*<?([^()\s<>]{0,2000}(?:\([^()\s]{0,500}\)[^()\s]{0,500})?)>?"
    r"(?:\s+(?:\"[^\"]{0,300}\"|'[^']{0,300}'))?\s*\)"
)
_REFERENCE = re.compile(r"!?\[([^\[\]\n]{1,500})\]\[[^\[\]\n]{0,80}\](?!\[)(?=[^\w]|$)")
_AUTOLINK = re.compile(r"<(?:mailto:)?((?:https?://|www\.)[^<>\s]{1,2000}|[^<>\s@]{1,100}@[^<>\s]{1,200})>")
_FOOTNOTE = re.compile(r"\[\^[^\[\]\n]{1,40}\]:?")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|<>~$])")
_LINE_FEED = re.compile(r"(?<![A-Za-z0-9:\\])(?:\\r)?\\n|(?:\\r)?\\n(?![a-z0-9])")
_PAIRED = tuple(
    re.compile(pattern)
    for pattern in (
        r"(\*{2,3})(?=[^\s*])([^*\n]{1,2000}?)(?<=[^\s*])\1",
        r"(?<![0-9A-Za-z*])(\*)(?=[^\s*])([^*\n]{1,2000}?)(?<=[^\s*])\*(?![0-9A-Za-z*])",
        r"(?<![0-9A-Za-z_])(_{1,3})(?=[^\s_])([^\n]{1,2000}?)(?<=[^\s_])\1(?![0-9A-Za-z_])",
        r"(~~|==|\+\+)(?=\S)([^\n~=+]{1,2000}?)(?<=\S)\1",
    )
)
_SPACED_TIMES = re.compile(r"(?<=[0-9A-Za-z)π])\s*\*\s*(?=[0-9A-Za-z(π])")
_ARROW = re.compile(r"\s*(?:<?[-=]{1,3}>|<[-=]{2,3})\s*")
_LESS = re.compile(r"(?<=[0-9A-Za-z)%π])\s*<\s*(?=[-0-9A-Za-z(π])")
_GREATER = re.compile(r"(?<=[0-9A-Za-z)%π])\s*>\s*(?=[-0-9A-Za-z(π])")
_SHARP = re.compile(r"(?<![A-Za-z])([A-G])#(?![0-9A-Za-z])")
_HASH = re.compile(r"#\s?(?=[0-9])")
_LATEX = re.compile(r"\$\$([^$]{1,500})\$\$|\$(?=[^\s$])([^$\n]{0,300}[\\^_=][^$\n]{0,300})(?<=\S)\$(?!\d)")
_BRACES = r"\{([^{}]{0,200})\}"
_FRACTION = re.compile(rf"\\[dt]?frac\s*{_BRACES}\s*{_BRACES}")
_ROOT = re.compile(rf"\\sqrt\s*{_BRACES}")
_COMMANDS = {
    "times": "×", "cdot": "×", "div": "÷", "pm": "±", "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠",
    "ne": "≠", "approx": "≈", "infty": "∞", "pi": "π", "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ",
    "theta": "θ", "lambda": "λ", "mu": "μ", "sigma": "σ", "omega": "ω", "sum": "∑", "int": "∫", "to": COMMA,
    "left": "", "right": "", "quad": " ", "text": "", "mathrm": "", "mathbf": "",
}  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]{1,12})\b ?")


def without_markdown(text: str) -> str:
    """The words of the text on one line, with marks where a block or a cell ends."""
    chinese = is_chinese(text)
    text = _LINE_FEED.sub("\n", text)
    text = said_addresses(_without_links(_without_latex(text)))
    lines = _lines(text, chinese=chinese)
    return _without_signs(" ".join(lines), chinese=chinese)


def _without_links(text: str) -> str:
    text = _DEFINITION.sub("", _FOOTNOTE.sub(GAP, text))
    text = _AUTOLINK.sub(r"\1", text)
    # A picture within a link, at most.
    for _ in range(2):
        text = _LINK.sub(lambda link: link[1] if link[1].strip() else link[2], text)
    return _REFERENCE.sub(lambda link: link[1], text)


def _without_latex(text: str) -> str:
    text = _LATEX.sub(lambda math: math[1] or math[2], text)
    if "\\" not in text:
        return text
    text = _FRACTION.sub(r"(\1)/(\2)", text)
    text = _ROOT.sub(r"√(\1)", text)
    text = _COMMAND.sub(lambda command: _COMMANDS.get(command[1], command[0]), text)
    return _ESCAPED.sub(r"\1", text)


def _lines(text: str, *, chinese: bool) -> list[str]:
    lines = text.split("\n")
    is_table = any("|" in line and _TABLE_RULE.match(line) for line in lines)
    said: list[str] = []
    for line in lines:
        if not line.strip():
            # A paragraph ends; one at the end of the text has its full stop or needs none.
            said.append(STOP if said else "")
        elif not (_FENCE.match(line) or _RULE.match(line) or _TABLE_RULE.match(line)):
            said.append(_line(line, is_table=is_table, chinese=chinese))
        else:
            said.append(STOP if said else "")
    while said and said[-1] in ("", STOP):
        del said[-1]
    return said


def _line(line: str, *, is_table: bool, chinese: bool) -> str:
    block = False
    while (shorter := _CHECKBOX.sub("", _BULLET.sub("", _QUOTE.sub("", line)))) != line:
        line, block = shorter, True
    numbered = _NUMBERED.match(line)
    if numbered is not None:
        line, block = f"{numbered[1]}{'、' if chinese else '. '}{line[numbered.end() :]}", True
    heading = _HEADING.match(line)
    if heading is not None:
        line, block = heading[1], True
    row = _TABLE_ROW.match(line) if is_table or line.count("|") > 2 else None
    if row is not None or (is_table and "|" in line):
        cells = (row[1] if row is not None else line).split("|")
        line, block = COMMA.join(cell.strip() for cell in cells if cell.strip()), True
    return f"{STOP}{line}{STOP}" if block else line


def _without_signs(text: str, *, chinese: bool) -> str:
    """The text without the signs of markup; those between numbers and names mean something."""
    for paired in _PAIRED:
        text = paired.sub(lambda found: found[2], text)
    text = text.replace("<=", "≤").replace(">=", "≥").replace("!=", "≠")
    text = _ARROW.sub(COMMA, text)
    text = _GREATER.sub(GREATER, _LESS.sub(LESS, text))
    text = _SPACED_TIMES.sub("×", text)
    text = re.sub(r"(?<=[0-9A-Za-z])_+(?=[0-9A-Za-z])", " ", text)
    text = re.sub(r"\s\|\s", COMMA, text)
    text = _SHARP.sub(r"\1升" if chinese else r"\1 sharp", text)
    text = _HASH.sub(GAP if chinese else "number ", text)
    text = re.sub(r"(?<![0-9A-Za-z.])@+(?=\w)", "", text)
    return re.sub(r"~{2,}|[<>|\[\]{}`*_#\\]+", GAP, text)
