"""What is not YAML, or not the YAML that is read here: in plain words, at the right place."""

from __future__ import annotations

import pytest

from sealock.core.errors import ConfigError
from sealock.pipeline.configuration import read

QUOTE_ALL = "Put the whole text in quotes."

# text; line:column and message; the beginning of what to do
BROKEN = [
    ("test:\n\t- a\n", "2:1: a tab stands where only spaces may", "Indent with spaces"),
    ("test:\n  - a\n\t- b\n", "3:1: a tab stands where only spaces may", "Indent with spaces"),
    ("test: |\n\t\ta\n", "2:1: a tab stands where only spaces may", "Indent with spaces"),
    ("test:\n  - `date`\n", "2:5: text cannot begin with ` here", QUOTE_ALL),
    ("test:\n  - @x\n", "2:5: text cannot begin with @ here", QUOTE_ALL),
    ("test:\n  - %x\n", "2:5: text cannot begin with % here", QUOTE_ALL),
    (
        "test: echo a: b\n",
        "1:13: a colon with a space after it begins a value, which cannot stand here",
        "Put text that contains `: ` in quotes",
    ),
    ("test: - a\n", "1:7: a list cannot begin here", "Put the `- ` on a line of its own"),
    (
        "test:\n  - a\nimage\n",
        "3:1: this line is neither `key: value` nor the continuation of the line above",
        "Add the missing colon",
    ),
    ("test: 'a\nimage: b\n", "1:7: this quote is never closed", "Close it"),
    ("test: [a\n", "1:7: this bracket is never closed", "Close it"),
    ("test: {a: [b]\n", "1:7: this bracket is never closed", "Close it"),
    ("test: [a\nimage: b\n", "2:6: a comma or the closing bracket is missing before this", "Close the list"),
    (
        'test: "\\d+"\n',
        "1:9: a backslash in double quotes begins an escape, and this is none",
        "Use single quotes, or double the backslash.",
    ),
    (
        "test:\n  - 'a' b\n",
        "2:9: text goes on after its closing quote, or the indentation is wrong",
        "Put the whole text in quotes",
    ),
    ("test:\n  - a\n - b\n", "3:2: this does not fit to the lines above", "Check the indentation"),
    ("  test: a\nimage: b\n", "2:1: this does not fit to the lines above", "Check the indentation"),
    ("test:\n- a\nimage: b\n- c\n", "4:1: this does not fit to the lines above", "Check the indentation"),
    ("test: |\n \n  a\n", "3:3: the blank lines above this text hold spaces", "Remove the spaces"),
    ('test: "\\U00110000"\n', "1:8: this escape stands for no character", "Use single quotes"),
    ('test: "\\0"\n', "1:7: an escape stands for the character U+0000", "Remove the escape."),
    ('environment: {A: "\\ud83d"}\ntest: a\n', "1:18: an escape stands for the character U+D83D", "Remove"),
    ("test: !!str a\n", "1:7: `tag:yaml.org,2002:str` is a tag; tags are not allowed", "Is it text?"),
    (
        "test: !!python/object:os.system [a]\n",
        "1:7: `tag:yaml.org,2002:python/object:os.system` is a tag",
        "",
    ),
    (
        "test:\n  - ! grep x y\n",
        "2:5: `!` is a tag; tags are not allowed",
        "Is it text? Put all of it in quotes.",
    ),
    ("test:\n  - *.py\n", "2:5: there is no anchor `&.py` before this", 'Is it text? Quote it: "*.py".'),
    ("test: &a [*a]\n", "1:11: there is no anchor `&a` before this", 'Is it text? Quote it: "*a".'),
    ("test: a\n---\ntest: b\n", "2:1: a second document begins here", "Keep one; remove the line `---`."),
    ("%YAML 1.1\n---\ntest: a\n", "2:1: YAML 1.1 is not read here", "Remove the line."),
    ("test: &\n", "1:8: this is not YAML: while scanning an anchor: expected alphabetic", "Check this line."),
]


@pytest.mark.parametrize(("text", "message", "resolution"), BROKEN, ids=[repr(row[0]) for row in BROKEN])
def test_a_broken_file_is_told_in_plain_words(text: str, message: str, resolution: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text.encode())
    assert caught.value.brief.startswith(f"sealock.yml:{message}")
    assert caught.value.resolution.startswith(resolution)


@pytest.mark.parametrize(
    "text", ["on", "yes", "no", "off", "2024-01-01", "12:30:45", "1_000", "0b1", "0777x", "=", "n"]
)
def test_words_that_are_not_text_elsewhere_are_text_here(text: str) -> None:
    configuration = read(f"environment:\n  A: {text}\ntest: a\n".encode())
    assert configuration.environment == {"A": text}


@pytest.mark.parametrize(
    "text", ["0777", "0o17", "0x1F", "1e3", "+1", ".5", "-.inf", ".NaN", "1" * 5000, "TRUE", "Null"]
)
def test_words_that_are_not_text_in_yaml_1_2_must_be_quoted(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^sealock\.yml:2:6: environment\.A: this must be text"):
        read(f"environment:\n  A: {text}\ntest: a\n".encode())
    assert read(f"environment:\n  A: '{text}'\ntest: a\n".encode()).environment == {"A": text}


def test_a_directive_for_yaml_1_2_a_byte_order_mark_and_other_line_ends_are_fine() -> None:
    assert read(b"%YAML 1.2\n---\ntest: a\n...\n").test["test"].commands == ("a",)
    assert read("\ufefftest: a\n".encode()).test["test"].commands == ("a",)
    assert read(b"test:\r\n  - a\r\n  - b\r\n").test["test"].commands == ("a", "b")


def test_a_byte_order_mark_moves_no_column() -> None:
    with pytest.raises(ConfigError, match=r"^sealock\.yml:1:1: tset"):
        read("\ufefftset: a\n".encode())
