"""Numbers and signs in words, by the rules that the entry uses."""

from __future__ import annotations

import pytest

from gateway.domain.voice.spoken.cleaning import mark_text, written
from gateway.domain.voice.spoken.written import language_of, read_out
from gateway.infrastructure.voice.number_reader import RuleReader

READER = RuleReader()


def said(text: str) -> str:
    return written(read_out(mark_text(text), READER))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("今天是2026年11月27日。", "今天是二零二六年十一月二十七日。"),
        ("2026-11-27下午3:05开会", "二零二六年十一月二十七日下午三点零五分开会"),
        ("涨了3.5%，-5℃", "涨了百分之三点五，负五摄氏度"),
        ("价格¥1,234.56，优惠$99.9和5€", "价格一千二百三十四点五六元，优惠九十九点九美元和五欧元"),
        ("1,234,567元", "一百二十三万四千五百六十七元"),
        ("电话13812345678", "电话幺三八，幺二三四，五六七八"),
        ("拨打+86 138-1234-5678", "拨打加八六，幺三八，幺二三四，五六七八"),
        ("致电010-12345678或400-800-1234", "致电零幺零，幺二三四五六七八或四零零，八零零，幺二三四"),
        ("验证码是884213", "验证码是八八四二幺三"),
        ("身份证110101199001011234", "身份证幺幺零幺零幺幺九九零零幺零幺幺二三四"),
        ("时速120km/h，面积50m²，重5kg", "时速每小时一百二十公里，面积五十平方米，重五千克"),
        ("电池3000mAh，浓度5‰，角度90°", "电池三千毫安时，浓度千分之五，角度九十度"),
        ("第2名，第Ⅲ章，第12届", "第二名，第三章，第十二届"),
        ("路易XIV和最终幻想VII", "路易十四和最终幻想七"),
        ("95后和00后", "九五后和零零后"),
        ("7*24小时，3/4杯，3:2", "七乘二十四小时，四分之三杯，三比二"),
        ("x²+y²=z²，2^10=1024", "x的平方加y的平方等于z的平方，二的十次方等于一千零二十四"),
        ("√2≈1.414，5≥3，a≠b", "根号二约等于一点四一四，五大于等于三，a不等于b"),
        ("5-3=2，10÷2=5", "五减三等于二，十除以二等于五"),
        ("访问https://www.example.com/a/b?x=1查看", "访问example点com斜杠a斜杠b查看"),
        ("邮箱info@test.cn", "邮箱info艾特test点cn"),
        ("打开config.json，Node.js", "打开config点json，Node点js"),
        ("版本1.2.3，IP 192.168.1.1", "版本一点二点三，IP 一九二点一六八点一点一"),
        ("我有3个apple。", "我有三个apple。"),
        ("價格100元。", "價格一百元。"),
        ("100+用户", "一百多用户"),
        ("降温8-10℃，风力3-4级，12月3日～5日", "降温八到十摄氏度，风力三到四级，十二月三日到五日"),
        ("第3-5章，5%-10%，比分3-2", "第三到五章，百分之五到百分之十，比分三比二"),
        ("同比+5.3%，环比-0.8%", "同比正百分之五点三，环比负百分之零点八"),
        ("生产日期20261127，2026-11", "生产日期二零二六年十一月二十七日，二零二六年十一月"),
        ('他说"5个"。', '他说"五个"。'),
        ("GPT-4o快，3×10^8", "GPT 四o快，三乘十的八次方"),
        ("№5，No.1，2:30pm开会", "第五，第一，下午两点三十分开会"),
        ("￥９９", "九十九元"),
        ("二零二六年，涨了百分之三点五", "二零二六年，涨了百分之三点五"),
    ],
)
def test_chinese(text: str, words: str) -> None:
    assert said(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I have 3 cats and 12 dogs.", "I have three cats and twelve dogs."),
        ("On 2026-11-27 at 15:30.", "On the twenty seventh of november twenty twenty six at fifteen thirty."),
        ("It costs $12.50 or £0.99.", "It costs twelve dollars and fifty cents or ninety nine pence."),
        ("It costs $3M, or 10$.", "It costs three million dollars, or ten dollars."),
        ("It grew 20% to 5kg at 50℃.", "It grew twenty percent to five kilograms at fifty degrees Celsius."),
        ("Call 555-1234 now.", "Call five five five, one two three four now."),
        ("Call +44 20 7946 0958.", "Call plus four four, two zero, seven nine four six, zero nine five eight."),
        ("Chapter IV, Louis XIV, World War II.", "Chapter four, Louis the fourteenth, World War two."),
        ("I am here, and so is an IV drip.", "I am here, and so is an IV drip."),
        ("The 1990s and '80s.", "The nineteen nineties and eighties."),
        ("x^2 + y^2 = z^2", "x squared plus y squared equals z squared"),
        ("2 * 3 = 6 and 5-3=2", "two times three equals six and five minus three equals two"),
        ("E=mc²", "E equals mc squared"),
        ("See https://docs.python.org/3/re.html#x.", "See docs dot python dot org slash three slash re dot html."),
        ("Mail a.b@c.com, please.", "Mail a dot b at c dot com, please."),
        ("v2.0 and version 1.2.3", "version two point zero and version one point two point three"),
        ("He is 6'2\" and works 24/7.", "He is six feet two inches and works twenty four seven."),
        ('He said "5 apples".', 'He said "five apples".'),
        ("C++ has 100+ users", "C plus plus has one hundred plus users"),
        ("No. 5 is #1", "number five is number one"),
        ("1,000 and 1,500 users", "one thousand and one thousand five hundred users"),
        ("I ran 5m at 3.5m/s.", "I ran five meters at three point five meters per second."),
        ("Open 9–5, pages 3—7", "Open nine to five, pages three to seven"),
        ("f(x) = 2x + 1", "f(x) equals two X plus one"),
        ("$5-$10, 5%-10%, ~5", "five dollars to ten dollars, five to ten percent, about five"),
        ("½ cup, the 21st", "one half cup, the twenty first"),
        ("3 < 5", "three is less than five"),
        ("Salt & pepper", "Salt and pepper"),
        ("1e10", "one times ten to the power of ten"),
    ],
)  # fmt: skip
def test_english(text: str, words: str) -> None:
    assert said(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("今日は2026年11月27日です。", "今日は二千二十六年十一月二十七日です。"),
        ("我有3个。She has 3.", "我有三个。She has three."),
        ("他说 OK，共5个。It is 5.", "他说 OK，共五个。It is five."),
        ("Привет 5 раз.", "Привет 5 раз."),
        ("لدي 5 كتب", "لدي 5 كتب"),
        ('<strong>3</strong>个<break time="1s"/>5个', '<strong>三</strong>个 <break time="1000ms"/> 五个'),
    ],
)
def test_mixed_and_other_languages(text: str, words: str) -> None:
    assert said(text) == words


@pytest.mark.parametrize(
    "text", ["Dr. Smith lives on St. John St.", "你好，世界。", "He said “no”; she didn't.", "R&D, AT&T"]
)
def test_a_sentence_without_numbers_and_signs_stays(text: str) -> None:
    assert said(text) == text


@pytest.mark.parametrize(
    ("text", "language"),
    [("你好 5", "zh"), ("こんにちは 漢字", "ja"), ("hello", "en"), ("дом", ""), ("5", "zh"), ("5，6", "zh")],
)
def test_the_language_of_numbers(text: str, language: str) -> None:
    assert language_of(text, "zh") == language
