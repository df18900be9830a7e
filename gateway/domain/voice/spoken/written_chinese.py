"""Chinese: written forms in words, or as forms that the normaliser reads rightly."""

from __future__ import annotations

import re

from gateway.domain.voice.spoken.marks import HAN
from gateway.domain.voice.spoken.roman import roman_value
from gateway.domain.voice.spoken.signs import Words, say_signs

_DIGITS = "零一二三四五六七八九"
_WORDS = Words(
    signs={
        "≈": "约等于", "≠": "不等于", "≤": "小于等于", "≥": "大于等于", "±": "正负", "÷": "除以", "∞": "无穷大",
        "∑": "求和", "∫": "积分", "∈": "属于", "∩": "交", "∪": "并", "∠": "角", "∴": "所以", "∵": "因为",
    },
    squared="的平方", cubed="的立方", power="的{}次方", scientific="{}乘10的{}次方", minus="减", over="除以",
    root="根号", times="乘", plus="加", equals="等于",
)  # fmt: skip
_CURRENCIES = {
    "¥": "元", "RMB": "元", "CNY": "元", "US$": "美元", "USD": "美元", "$": "美元", "€": "欧元", "£": "英镑",
    "HK$": "港元", "NT$": "新台币", "C$": "加元", "A$": "澳元",
}  # fmt: skip
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_CURRENCY = r"US\$|HK\$|NT\$|[CA]\$|RMB|CNY|USD|[¥$€£]"
_MONEY = re.compile(rf"(?<![A-Za-z])({_CURRENCY})\s*({_NUMBER})\s*([千万亿]*)(?:元)?")
_MONEY_BEHIND = re.compile(rf"(?<![\d.])({_NUMBER})\s*({_CURRENCY})(?![A-Za-z0-9])")
_THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")
_ORDINAL = re.compile(r"第\s*(\d{1,4})(?![\d.,])")
_ROMAN = re.compile(rf"(?<![A-Za-z0-9])([IVXLCDM]+)(?=[{HAN}])|(?<=[{HAN}])([IVX]{{1,6}})(?![A-Za-z0-9])")
_DECADE = re.compile(r"(?<!\d)([0-9])([0-9])(?=后(?![天来面边果续悔退]))")
_MOBILE = re.compile(r"(?<![\d.])(?:(\+?86)[- ]?)?(1[3-9]\d)[- ]?(\d{4})[- ]?(\d{4})(?!\d)")
_LANDLINE = re.compile(
    r"(?<![\d.])(0\d{2,3})[- ](\d{7,8})(?:[-转](\d{1,6}))?(?!\d)|(?<!\d)([48]00)-(\d{3,4})-(\d{3,4})(?!\d)"
)
_FOREIGN = re.compile(r"\+\d{1,3}(?:[- ]?\(?\d{1,4}\)?){2,5}(?!\d)")
_NAMED = re.compile(
    r"((?:验证码|校验码|密码|口令|尾号|账号|帐号|卡号|编号|单号|订单|工号|学号|车牌|手机|电话|热线|拨打|致电|群号?|QQ|邮编|代码|号码)"
    r"(?:号码?|是|为|：|:|\s){0,3})(\d{3,})(?![\d.,%])"
)
_LONG = re.compile(r"(?<![\d.,])(\d{12,}[Xx]?)(?![\d.,%])|(?<![\d.,])((?:\d{4}[ -]){2,5}\d{1,4})(?![\d.,])")
_ISO = re.compile(r"(?<=\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_VERSION = re.compile(r"(?<![\d.])(?!(?:19|20)\d\d\.\d{1,2}\.\d{1,2}(?!\d))\d{1,4}\.\d{1,4}\.\d{1,4}(?![\d.])")
_BARE_POINT = re.compile(r"(?<![\w.])\.(?=\d)")
_NAME_POINT = re.compile(r"(?<=[A-Za-z0-9]{2})\.(?=[a-z]{2,5}(?![A-Za-z.]))")
_UNITS = {
    "mAh": "毫安时",
    "kWh": "千瓦时",
    "Ω": "欧姆",
    "kΩ": "千欧",
    "MΩ": "兆欧",
    "µm": "微米",
    "μm": "微米",
    "µg": "微克",
    "μg": "微克",
    "°": "度",
}
_UNIT = re.compile(r"(?<=\d)\s*(mAh|kWh|[kM]?Ω|[µμ][mg]|°(?![CF]))(?![A-Za-z])")
_PER_MILLE = re.compile(r"(\d+(?:\.\d+)?)\s*‰")
_FRACTION = re.compile(r"\((\w{1,6})\)/\((\w{1,6})\)")
_MIXED = re.compile(r"(?<![\d/.])(\d{1,4})\s(\d{1,3}/\d{1,3})(?![\d/])")
_RANGE_SIGN = "[-–—~～]"
_SCORE = re.compile(r"(?<=比分)(\D{0,3})(\d{1,3})[-–](\d{1,3})(?!\d)|(?<=以)(\s?)(\d{1,3})[-–](\d{1,3})(?!\d)")
_RANGE = re.compile(
    rf"(?<![\d.\-/])(\d{{1,4}}(?:\.\d{{1,3}})?)(%|[A-Za-z℃°]{{1,4}}|[年月日号时点分秒天岁元万米])?\s?{_RANGE_SIGN}\s?"
    rf"(?=\d{{1,4}}(?:\.\d{{1,3}})?(?![\d\-/=]))"
)
_YEAR_MONTH = re.compile(r"(?<![\d\-/.])((?:19|20)\d\d)[-/](0?[1-9]|1[0-2])(?![\d\-/年月日.])")
_PLAIN_DATE = re.compile(
    r"(日期|生日|时间|截至|截止|发布于)(\D{0,3})((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)"
)
_SIGNED_PERCENT = re.compile(r"(?<![\d%.])([-+])(?=\d+(?:\.\d+)?%)")
_ABOUT = re.compile(rf"(?<![\d{HAN}A-Za-z])~\s?(?=\d)")
_MODEL = re.compile(r"(?<=[A-Za-z])-(?=\d)")
_NUMBER_SIGN = re.compile(r"(?<![A-Za-z])[Nn][Oo]\.\s?(?=\d{1,3}(?!\d))")
_HALF_DAY = re.compile(r"(?<![\d.:])(\d{1,2})(:\d{2})?\s?([AaPp])\.?[Mm]\b\.?")
_PLUS_AFTER = re.compile(r"(?<=\d)\+(?!\d)")


def chinese_forms(text: str) -> str:
    """A Chinese sentence with phone numbers, codes, money, formulas and Roman numerals ready to be read."""
    text = _phones(text)
    text = _PLAIN_DATE.sub(r"\1\2\3年\4月\5日", _ISO.sub(r" \1", text))
    text = _ranges(text)
    text = _MONEY.sub(lambda found: f"{found[2].replace(',', '')}{found[3]}{_CURRENCIES[found[1]]}", text)
    text = _MONEY_BEHIND.sub(lambda found: f"{found[1].replace(',', '')}{_CURRENCIES[found[2]]}", text)
    text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    text = _ROMAN.sub(_roman, text)
    text = _HALF_DAY.sub(_time_of_day, _NUMBER_SIGN.sub("第", text))
    text = _ORDINAL.sub(lambda found: "第" + counted(int(found[1])), text)
    text = _DECADE.sub(lambda found: spelled(found[1] + found[2]), text)
    text = _VERSION.sub(lambda found: found[0].replace(".", "点"), text)
    text = _NAME_POINT.sub("点", _BARE_POINT.sub("0.", text))
    text = _UNIT.sub(lambda found: _UNITS[found[1]], text)
    text = _PER_MILLE.sub(r"千分之\1", text)
    text = _FRACTION.sub(r"\2分之\1", text)
    text = _MIXED.sub(r"\1又\2", text)
    text = say_signs(text, _WORDS)
    return _PLUS_AFTER.sub("多", text).replace(" & ", "和")


def _ranges(text: str) -> str:
    text = _YEAR_MONTH.sub(r"\1年\2月", text)
    text = _SCORE.sub(lambda found: f"{found[1] or found[4] or ''}{found[2] or found[5]}比{found[3] or found[6]}", text)
    if "=" not in text:
        text = _RANGE.sub(lambda found: f"{found[1]}{found[2] or ''}到", text)
    text = _SIGNED_PERCENT.sub(lambda found: "正" if found[1] == "+" else "负", text)
    return _MODEL.sub(" ", _ABOUT.sub("约", text))


def _phones(text: str) -> str:
    text = _MOBILE.sub(lambda found: _dialled(*found.groups()), text)
    text = _LANDLINE.sub(lambda found: _dialled(*found.groups()), text)
    text = _FOREIGN.sub(lambda found: _dialled(*re.split(r"[-() ]+", found[0])), text)
    text = _LONG.sub(lambda found: _dialled(*re.split(r"[- ]", found[1] or found[2])), text)
    return _NAMED.sub(lambda found: found[1] + _dialled(found[2]), text)


def _time_of_day(found: re.Match[str]) -> str:
    half = "上午" if found[3] in "Aa" else "下午"
    return f"{half}{found[1]}{found[2] or '点'}"


def _dialled(*groups: str | None) -> str:
    """Groups of digits as they are said one by one; in such numbers a one is 幺."""
    said = [spelled(group.lstrip("+")).replace("一", "幺") for group in groups if group]
    plus = "加" if (groups[0] or "").startswith("+") else ""
    return plus + "，".join(said)


def spelled(digits: str) -> str:
    """Digits one by one."""
    return "".join(_DIGITS[int(digit)] if digit.isascii() and digit.isdigit() else digit.upper() for digit in digits)


def counted(number: int) -> str:
    """A number up to 9999."""
    said, zero = "", False
    for power, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // power % 10
        if digit:
            said += ("零" if zero and said else "") + _DIGITS[digit] + unit
        zero = not digit
        number %= power
    return (said.removeprefix("一") if said.startswith("一十") else said) or _DIGITS[0]


def _roman(found: re.Match[str]) -> str:
    numeral = found[1] or found[2]
    value = roman_value(numeral)
    # One letter may be a name or a size: it is a number where it counts something.
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    if value is None or (len(numeral) == 1 and not (before == "第" or (after and after in "世型期级类章卷部"))):
        return found[0]
    if numeral in ("CD", "CM", "DC", "MC", "MD", "DM", "MM", "CC", "LV", "XL", "XXL", "MIX", "DIM", "LCD", "DVD"):
        return found[0]
    return str(value)
