"""From what clients send to plain text: tables of kinds, and what holds for every text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.errors import GatewayError
from gateway.domain.voice.spoken.cleaning import mark_text, written
from gateway.domain.voice.text import clean_prompt, clean_text, silence_in

# What an engine's tokenizer could take for a token: everything in brackets but CosyVoice's documented tags.
DOCUMENTED = re.compile(r'\[laughter\]|\[breath\]|</?strong>|</?laughter>|<break time="\d+ms"/>')
BRACKETS = re.compile(r"[<>\[\]|＜＞［］｜]")


def cleaned(text: str) -> str:
    return clean_text(text, limit=2000)


@pytest.mark.parametrize(
    "text",
    [
        "Hello world.",
        "你好，世界！今天天气怎么样？",
        "“引号”和《书名》——以及……省略。",
        "Don't worry; it's fine (really) - isn't it?",
        "He said: wait... what?",
        "這是繁體中文，請朗讀。",
        "今日はとても良い天気ですね。",
        "안녕하세요. 만나서 반갑습니다.",
        "Привет, как дела?",
        "مرحبا بكم في برنامجنا",
        "می\u200cخواهم بروم",
        "ไทย ภาษาไทย",
        "नमस्ते, आप कैसे हैं?",
        "AT&T and R&D",
        "好呀～",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert cleaned(text) == text


@pytest.mark.parametrize(
    "token",
    [
        "<|endofprompt|>",
        "<endofprompt>",
        "<|endofprompt>",
        "<endofprompt|>",
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|en|>",
        "<|zh/en|>",
        "<|0.00|>",
        "<|/Speech|>",
        "<|SPECIAL_TOKEN_1|>",
        "<|TTS/SP01|>",
        "<|endofsystem|>",
        "< | endofprompt | >",
        "＜｜endofprompt｜＞",
        "﹤|endofprompt|﹥",
        "<\u200b|end\u200dof\u2060prompt|\ufeff>",
        "<|end\x00ofprompt|>",
        "<|end\nofprompt|>",
        "&lt;|endofprompt|&gt;",
        "&amp;lt;|endofprompt|&amp;gt;",
        "&#60;&#124;endofprompt&#x7c;&#62;",
        "&lt|endofprompt|&gt",
        "\\u003c|endofprompt|\\u003e",
        "<\\|endofprompt\\|>",
        f"<|{'x' * 150}|>",
        "<|<|endofprompt|>|>",
        "<<|x|>|endofprompt|>",
        "<|endof<b></b>prompt|>",
        "<|endof[noise]prompt|>",
        "[noise]",
        "[lipsmack]",
        "[vocalized-noise]",
        "[mn]",
        "<tool_call>",
        "</s>",
        "<unk>",
        "<pad>",
        "<script>alert(1)</script>",
        "<!-- a comment -->",
        "\ue000\ue012\U000f01f4\U0010fffd",
        "\ufdd0\uffff",
        "<｜end▁of▁sentence｜>",
    ],
)
def test_a_token_leaves_nothing_and_cuts_nothing(token: str) -> None:
    assert cleaned(f"Before {token} after.") == "Before after."
    assert cleaned(f"之前{token}之后。") == "之前之后。"
    assert clean_prompt(f"Before {token} after.") == "Before after."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[laughter]哈哈[breath]，<strong>重点</strong>。", "[laughter]哈哈[breath]，<strong>重点</strong>。"),
        ("<laughter>真好笑</laughter>", "<laughter>真好笑</laughter>"),
        ("[Laughter] Ha. < strong >Now</ strong >.", "[laughter] Ha. <strong>Now</strong>."),
        ("a </strong> b <strong> c", "a b c"),
        ("<strong><strong>a</strong>", "<strong>a</strong>"),
        ("a <strong></strong> b", "a b"),
    ],
)
def test_documented_tags_stay_and_are_well_formed(text: str, said: str) -> None:
    assert cleaned(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a<break/>b", 'a <break time="500ms"/> b'),
        ("a<break time='1.5s' />b", 'a <break time="1500ms"/> b'),
        ('a<break time="250ms"></break>b', 'a <break time="250ms"/> b'),
        ('a<break strength="strong"/>b', 'a <break time="800ms"/> b'),
        ('a<break strength="none"/>b', "a b"),
        ('a<break time="1h"/>b', 'a <break time="500ms"/> b'),
        ('a<break time="99s"/>b', 'a <break time="10000ms"/> b'),
        ('a<break time="-5s"/>b', 'a <break time="500ms"/> b'),
        ("a[pause]b", 'a <break time="500ms"/> b'),
        ("a[pause 0.5s]b[PAUSE: 300ms]c", 'a <break time="500ms"/> b <break time="300ms"/> c'),
        ("a[pause=2]b", 'a <break time="2000ms"/> b'),
        ("等[停顿1秒]一下[停顿]吧", '等 <break time="1000ms"/> 一下 <break time="500ms"/> 吧'),
        ("a<#0.75#>b", 'a <break time="750ms"/> b'),
        ("a[pause][pause 1s]b", 'a <break time="1500ms"/> b'),
        ("a" + "[pause 9s]" * 3 + "b", 'a <break time="10000ms"/> b'),
        ('<mstts:silence type="Sentenceboundary" value="200ms"/>a', '<break time="200ms"/> a'),
    ],
)  # fmt: skip
def test_pauses_have_one_spelling_and_a_bound(text: str, said: str) -> None:
    assert cleaned(text) == said


def test_the_number_of_pauses_is_bounded() -> None:
    assert cleaned("a[pause]" * 200).count("<break") == 50


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<speak version="1.0"><p>One</p><p>Two.</p><s>三</s></speak>', "One. Two. 三。"),
        ('<sub alias="World Wide Web">WWW</sub> and H<sub>2</sub>O', "World Wide Web and H2O"),
        ('<say-as interpret-as="characters">ABC1</say-as>', "A B C 1"),
        ('<say-as interpret-as="cardinal">12</say-as>', "12"),
        ('<phoneme alphabet="ipa" ph="pɪ">pecan</phoneme> pie', "pecan pie"),
        ('<prosody rate="slow">Slow</prosody> <emphasis>down</emphasis>', "Slow down"),
        ("<![CDATA[Plain]]> text", "Plain text"),
        ('<?xml version="1.0"?><speak>Hi</speak>', "Hi."),
        ('<a href="https://e.com/x">Click</a> <b>me</b><br/>now', "Click me now"),
        ("<ul><li>one</li><li>two</li></ul>", "one. two."),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a, b."),
        ('<img src="x.png" alt="A cat"> here', "A cat here"),
        ("<style>p{}</style>Text", "Text"),
        ("Tom &amp; Jerry &quot;x&quot; &nbsp;&eacute; &#20320;&#x597d;", 'Tom & Jerry "x" é 你好'),
        ("if a < b and c > d", "if a is less than b and c is greater than d"),
        ("当x<5时", "当x小于5时"),
        ("<p>你好", "你好"),
        (
            '<speak version="1.0" xml:lang="en">\n <voice name="x">Hi <w role="y">there</w></voice>\n</speak>',
            "Hi there",
        ),
        ("<mstts:express-as style=\"sad\" styledegree='2'>Hi</mstts:express-as>", "Hi"),
    ],
)
def test_ssml_and_html_are_not_said(text: str, said: str) -> None:
    assert cleaned(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Title\n\nSome *soft* and **bold** and ***both*** `code`.", "Title. Some soft and bold and both code."),
        ("这是**重点**内容和*斜体*。", "这是重点内容和斜体。"),
        ("- one\n- two\n  * three", "one. two. three."),
        ("- [ ] todo\n- [x] done", "todo. done."),
        ("1. first\n2) second", "1. first. 2. second."),
        ("1. 打开\n2. 关闭", "1、打开。2、关闭。"),
        ("[text](https://a.b/c_(d) 'title') and ![alt](u.png)", "text and alt"),
        ("[![badge](b.svg)](https://x.y) ok", "badge ok"),
        ("See [this][1].\n\n[1]: https://a.b", "See this."),
        ("Word[^1] here\n\n[^1]: A note", "Word here. A note"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("> quoted\n> more", "quoted. more."),
        ("| a | b |\n|---|:-:|\n| 1 | 2 |", "a, b. 1, 2."),
        ("Title\n=====\n\ntext\n\n---\n\nend", "Title. text. end"),
        ("~~old~~ new ==marked==", "old new marked"),
        ("snake_case_name and __init__", "snake case name and init"),
        ("\\*not bold\\*", "not bold"),
        ("Line one\nline two", "Line one line two"),
        ("标题\n\n正文", "标题。正文"),
        ("2*3*4", "2×3×4"),
        ("$\\frac{1}{2} \\times x^2$", "(1)/(2) ×x^2"),
        ("First.\\nSecond.", "First. Second."),
        ("C# and #topic# and #1", "C sharp and topic and number 1"),
        ("@alice hi", "alice hi"),
        ("A -> B => C", "A, B, C"),
    ],
)
def test_markdown_is_not_said(text: str, said: str) -> None:
    assert cleaned(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("😀你好😀世界👨‍👩‍👧‍👦", "你好世界"),
        ("I love 🍕 pizza 🇨🇳!", "I love pizza!"),
        ("1️⃣ 第一", "1 第一"),
        ("①打开②关闭", "1，打开 2，关闭"),
        ("Ⅳ型，第Ⅲ章", "4型，第3章"),
        ("½ cup, 1½", "1/2 cup, 1 1/2"),
        ("ＡＢＣ　１２３％", "ABC 123%"),
        ("𝐇𝐞𝐥𝐥𝐨 𝓦ℴ𝓇𝓁𝒹 ﬁne", "Hello World fine"),
        ("ｶﾞｷﾞ", "ガギ"),
        ("cafe\u0301", "café"),
        ("a\u200bb\u00adc\ufeffd", "abcd"),
        ("\u202eabc\u202c مرحبا\u200f", "abc مرحبا"),
        ("a\tb\x07c\r\nd", "a b c d"),
        ("天气不错:)走吧^_^", "天气不错走吧"),
        ("Done ✅ ™ ©", "Done"),
        ("I <3 you, x<3 though", "I you, x is less than 3 though"),
        ("50㎡，3㎏", "50m²，3kg"),
        ("15：30", "15:30"),
        ("\ud800a", "a"),
        ("ㅤ\u3164a\u2800", "a"),
    ],
)  # fmt: skip
def test_characters_are_what_they_look_like(text: str, said: str) -> None:
    assert cleaned(text) == said


@pytest.mark.parametrize(
    "text",
    ["", " ", "...", "---", "……", "😊", "```", "***", "<br/>", "<|endofprompt|>", "[laughter]", '<break time="1s"/>',
     "\u200b", "()", "“”", "|---|", "<strong></strong>", "👍🏽", "~", "\n\n"],
)  # fmt: skip
def test_what_cannot_be_said_is_an_error(text: str) -> None:
    with pytest.raises(GatewayError, match="text_empty"):
        cleaned(text)
    assert clean_prompt(text) == ""


def test_the_silence_of_a_text_without_words() -> None:
    assert silence_in("😊") == 0
    assert silence_in('<break time="1s"/> … [pause 0.5s]') == 1.5


def test_a_prompt_of_cosyvoice3_loses_what_the_engine_adds() -> None:
    assert clean_prompt("You are a helpful assistant.<|endofprompt|>希望你好。") == "希望你好。"
    assert clean_prompt("Say it calmly.<|endofprompt|>") == "Say it calmly."


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=8),
            st.sampled_from(
                [
                    "<|", "|>", "<", ">", "[", "]", "|", "＜", "｜", "endofprompt", "laughter", "strong", "/", "&lt;",
                    "[pause]", "<break/>", "<strong>", "</strong>", "*", "**", "_", "`", "#", "\n", "\u200b", "- ",
                    "1. ", "http://a.b/", "a@b.cn", "(", ")", "你", "$", "\\", "=", "😀", "&", "amp;", " ", "]( ",
                ]
            ),
        ),
        max_size=12,
    ).map("".join)
)  # fmt: skip
def test_whatever_comes_no_token_reaches_the_engine(text: str) -> None:
    for said in (written(mark_text(text)), clean_prompt(text)):
        assert BRACKETS.search(DOCUMENTED.sub("", said)) is None
        said.encode()
    try:
        once = clean_text(text, limit=2000)
    except GatewayError:
        return
    assert clean_text(once, limit=10**6) == once
