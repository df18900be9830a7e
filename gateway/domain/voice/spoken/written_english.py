"""English: written forms in words, or as forms that the normaliser reads rightly."""

from __future__ import annotations

import re

from gateway.domain.voice.spoken.roman import roman_value
from gateway.domain.voice.spoken.signs import Words, say_signs

_WORDS = Words(
    signs={
        "≈": " is approximately ", "≠": " is not equal to ", "≤": " is at most ", "≥": " is at least ",
        "±": " plus or minus ", "÷": " divided by ", "∞": " infinity ", "∑": " sum of ", "∫": " integral of ",
        "∈": " in ", "∴": " therefore ", "∵": " because ",
    },
    squared=" squared", cubed=" cubed", power=" to the power of {}", scientific="{} times 10 to the power of {}",
    minus=" minus ", over=" over ", root="square root of ", times=" times ", plus=" plus ", equals=" equals ",
)  # fmt: skip
_CURRENCIES = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
_CENTS = re.compile(
    r"(?<![\w.])([$€£])(\d{1,3}(?:,\d{3})*|\d+)\.(\d\d)(?![\d.,]*\d|\s?(?:[kKmMbB]n?\b|million|billion|thousand))"
)
_MONEY_BEHIND = re.compile(r"(?<![\w.$€£])(\d[\d,]*(?:\.\d+)?)\s?([$€£])(?![\w$€£])")
_DECADE = re.compile(r"(?<![\w'’])(1[1-9]|20)([2-9])0['’]?s\b")
_SHORT_DECADE = re.compile(r"(?<!\w)['’]([2-9])0s\b")
_TENS = ("", "", "twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
_CENTURIES = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    "twenty",
)  # fmt: skip
_VERSION = re.compile(
    r"(?<![\d.\w])(?:v(?=\d)|[vV]ersion )?\d{1,4}(?:\.\d{1,4}){2}(?![\d.]*\d)|(?<!\w)v\d{1,4}\.\d{1,4}(?![\d.]*\d)"
)
_PHONE = re.compile(
    r"\+\d{1,3}(?:[- .]?\(?\d{1,4}\)?){2,6}(?!\d)|(?<![\d-])\d{3}-\d{4}(?![\d-])|(?<!\d)\(\d{3}\) ?\d{3}-\d{4}"
)
_LONG = re.compile(r"(?<![\d.,])\d{11,}(?![\d.,]*\d|%)|(?<![\d.,])(?:\d{4}[ -]){2,5}\d{1,4}(?![\d.,]*\d)")
_NAMED = re.compile(
    r"\b((?:code|PIN|pin|password|account|tracking|order|ID|zip)(?: number| no\.?)?(?: is|:)? #?)(\d{3,})(?![\d.,%]*\d)"
)
_ISO = re.compile(r"(?<=\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_ALWAYS = re.compile(r"(?<![\d/])(24/7|50/50|9/11)(?![\d/])")
_HEIGHT = re.compile(r"(?<![\w'])(\d)['′](\d{1,2})(?:[\"″]|'')")
_TEMPERATURE = re.compile(r"(?<=\d)\s?(℃|℉|°)(?![CF])")
_UNITS = {
    "℃": "°C", "℉": "°F", "°": " degrees", "Ω": " ohms", "kΩ": " kilohms", "MΩ": " megohms", "µm": " micrometers",
    "μm": " micrometers", "µg": " micrograms", "μg": " micrograms", "mAh": " milliamp hours", "kWh": " kilowatt hours",
    "‰": " per mille",
}  # fmt: skip
_UNIT = re.compile(r"(?<=\d)\s?([kM]?Ω|[µμ][mg]|mAh|kWh|‰)(?![A-Za-z])")
_FRACTION = re.compile(r"\((\w{1,6})\)/\((\w{1,6})\)")
_MIXED = re.compile(r"(?<![\d/.])(\d{1,4})\s(\d{1,3}/\d{1,3})(?![\d/])")
_NUMBERED = re.compile(
    r"\b(Chapter|Part|Section|Act|Scene|Volume|Vol\.|Book|Appendix|Phase|Type|Level|Article|Class|Stage|Grade|Episode|"
    r"Season|World War|Super Bowl|Title|Unit|Figure|Table|Step)\s+([IVXLCDM]{1,8})\b(?![.’'][a-z])"
)
_REGNAL = re.compile(
    r"\b(Louis|Henry|Elizabeth|George|Charles|Edward|William|Richard|James|John Paul|Napoleon|Philip|Ferdinand|"
    r"Frederick|Ivan|Nicholas|Alexander|Benedict|Pius|Leo|Catherine|Francis|Victor|Peter|Mary|Gregory|"
    r"(?:Pope|King|Queen|Emperor|Tsar|Prince) [A-Z][a-z]+)\s+([IVX]{1,6})\b(?!['’])"
)
_AFTER_NAME = re.compile(r"(?<=[a-z0-9] )([IVX]{2,6})\b(?!['’])")
_NUMBER_SIGN = re.compile(r"\b[Nn]o\.\s?(?=\d)")
_METRES = re.compile(r"(?<=\d)\s?m(?![A-Za-z0-9²³/'’])")
_METRES_A_SECOND = re.compile(r"(?<=\d)\s?m/s(?![A-Za-z0-9²])")
_ABOUT = re.compile(r"(?<![\w)])~\s?(?=\d)")
_MONEY_RANGE = re.compile(r"([$€£]\d[\d,]*(?:\.\d+)?)\s?[-–]\s?(?=[$€£]\d)")
_PERCENT_RANGE = re.compile(r"(?<=\d)%\s?[-–]\s?(?=\d+(?:\.\d+)?%)")
_DASH = re.compile(r"(?<=\d)\s?[–—]\s?(?=\d)")
_COEFFICIENT = re.compile(r"(?<![\w.])(\d{1,4})x(?=\s*[-+=²³^])|(?<=[-+=])(\s*\d{1,4})x\b")
_BARE_POINT = re.compile(r"(?<![\w.])\.(?=\d)")
_PLUS_AFTER = re.compile(r"(?<=\d)\+(?![\d\w])")


def english_forms(text: str) -> str:
    """An English sentence with phone numbers, codes, money, formulas and Roman numerals ready to be read."""
    text = _NUMBER_SIGN.sub("number ", _numerals(text))
    text = _ISO.sub(r" at \1", text)
    text = _HEIGHT.sub(r"\1 feet \2 inches", _ALWAYS.sub(lambda found: found[0].replace("/", " "), text))
    text = _PHONE.sub(lambda found: _dialled(found[0]), text)
    text = _LONG.sub(lambda found: _dialled(found[0]), text)
    text = _NAMED.sub(lambda found: found[1] + _dialled(found[2]), text)
    text = _DECADE.sub(lambda found: f"{_CENTURIES[int(found[1]) - 10]} {_TENS[int(found[2])]}", text)
    text = _SHORT_DECADE.sub(lambda found: _TENS[int(found[1])], text)
    text = _PERCENT_RANGE.sub("% to ", _MONEY_RANGE.sub(r"\1 to ", text))
    text = _ABOUT.sub("about ", _METRES.sub(" meters", _METRES_A_SECOND.sub(" meters per second", text)))
    text = _CENTS.sub(_money, _DASH.sub("-", text))
    text = _MONEY_BEHIND.sub(r"\2\1", text)
    text = _VERSION.sub(_version, text)
    text = _BARE_POINT.sub("0.", text)
    text = _TEMPERATURE.sub(lambda found: _UNITS[found[1]], text)
    text = _UNIT.sub(lambda found: _UNITS[found[1]], text)
    text = _FRACTION.sub(r"\1 over \2", text)
    text = _MIXED.sub(r"\1 and \2", text)
    text = _COEFFICIENT.sub(lambda found: f"{found[1] or found[2]} X", text)
    text = say_signs(text, _WORDS)
    return _PLUS_AFTER.sub(" plus", text).replace(" & ", " and ")


def _numerals(text: str) -> str:
    def counted(found: re.Match[str]) -> str:
        value = roman_value(found[2])
        return found[0] if value is None else f"{found[1]} {value}"

    def regnal(found: re.Match[str]) -> str:
        value = roman_value(found[2])
        return found[0] if value is None else f"{found[1]} the {_ordinal(value)}"

    def after_name(found: re.Match[str]) -> str:
        value = roman_value(found[1])
        return found[0] if value is None or found[1] in ("XX", "XXX", "IV") else str(value)

    return _AFTER_NAME.sub(after_name, _REGNAL.sub(regnal, _NUMBERED.sub(counted, text)))


def _ordinal(value: int) -> str:
    ending = "th" if value // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


def _dialled(number: str) -> str:
    """The digits of a number one by one, its groups with a halt between them."""
    groups = [" ".join(group) for group in re.split(r"\D+", number) if group]
    return ("plus " if number.startswith("+") else "") + ", ".join(groups)


def _money(found: re.Match[str]) -> str:
    unit, small = _CURRENCIES[found[1]]
    whole, cents = int(found[2].replace(",", "")), int(found[3])
    smalls = {"penny": "pence"}.get(small, small + "s")
    parts = [f"{whole} {unit}{'' if whole == 1 else 's'}"] if whole or not cents else []
    parts += [f"{cents} {small if cents == 1 else smalls}"] if cents else []
    return " and ".join(parts)


def _version(found: re.Match[str]) -> str:
    number = found[0]
    if number[:2].lower() != "ve":
        number = "version " + number.lstrip("v") if number[0] == "v" else number
    return number.replace(".", " point ")
