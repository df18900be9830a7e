"""What is wrong with a field's value, in both languages: pydantic has the sentences in English only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.domain.errors import Reason

# By pydantic's types of errors, with the names of their context.
_WRONG: Mapping[str, Reason] = {
    "string_type": Reason("应为文本", "it should be text"),
    "string_too_short": Reason("至少需要 {min_length} 个字符", "it should have at least {min_length} characters"),
    "string_too_long": Reason("最多 {max_length} 个字符", "it should have at most {max_length} characters"),
    "string_unicode": Reason("应为有效的文本", "it should be valid text"),
    "int_type": Reason("应为整数", "it should be a whole number"),
    "int_parsing": Reason("应为整数", "it should be a whole number"),
    "int_parsing_size": Reason("数值过大", "the number is too large"),
    "int_from_float": Reason("应为整数", "it should be a whole number"),
    "float_type": Reason("应为数字", "it should be a number"),
    "float_parsing": Reason("应为数字", "it should be a number"),
    "finite_number": Reason("应为有限的数字", "it should be a finite number"),
    "greater_than_equal": Reason("不能小于 {ge}", "it should be at least {ge}"),
    "greater_than": Reason("应大于 {gt}", "it should be more than {gt}"),
    "less_than_equal": Reason("不能大于 {le}", "it should be at most {le}"),
    "less_than": Reason("应小于 {lt}", "it should be less than {lt}"),
    "bool_type": Reason("应为 true 或 false", "it should be true or false"),
    "bool_parsing": Reason("应为 true 或 false", "it should be true or false"),
    "enum": Reason("可选值为 {expected}", "it should be one of {expected}"),
    "literal_error": Reason("可选值为 {expected}", "it should be one of {expected}"),
    "model_type": Reason("应为 JSON 对象", "it should be a JSON object"),
    "model_attributes_type": Reason("应为 JSON 对象", "it should be a JSON object"),
    "dict_type": Reason("应为 JSON 对象", "it should be a JSON object"),
    "list_type": Reason("应为数组", "it should be an array"),
    "is_instance_of": Reason("应为上传的文件", "it should be an uploaded file"),
}
_ELSE = Reason("值不符合要求", "the value does not fit")


def wrong_value(kind: str, context: Mapping[str, Any]) -> Reason:
    """What is wrong with a value.

    Args:
        kind: pydantic's type of the error.
        context: pydantic's context of it, such as the bound.
    """
    reason = _WRONG.get(kind, _ELSE)
    named = {name: _shown(value) for name, value in context.items()}
    listed = named.get("expected", "").replace("'", "").replace(" or ", ", ")
    chinese, english = {**named, "expected": listed.replace(", ", "、")}, {**named, "expected": listed}
    try:
        return Reason(reason.zh.format(**chinese), reason.en.format(**english))
    except KeyError:
        return _ELSE


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
