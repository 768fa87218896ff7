"""Marks of a modern assistant."""

import pytest

from stages.foundry import voice


@pytest.mark.parametrize("text", ["It's so", "I don\u2019t", "we'll", "That\u2019s it", "You've won", "I'm here"])
def test_contractions_are_found_with_either_apostrophe(text: str) -> None:
    assert len(voice.contractions(text)) == 1


@pytest.mark.parametrize("text", ["Britain's fleet", "the States' rights", "Mr. Henry\u2019s speech", "its own"])
def test_possessives_are_no_contractions(text: str) -> None:
    assert voice.contractions(text) == []


@pytest.mark.parametrize("text", ["# Title", "- one", "\u2022 one", "1. one", "a **bold** word", "an *important* word", "```x"])
def test_markdown_is_found(text: str) -> None:
    assert voice.markdown(text)


@pytest.mark.parametrize("text", ["In 1787 we met.", "A convention, which sat", "2 * 3 * 4", "the year 1812. We"])
def test_plain_prose_is_no_markdown(text: str) -> None:
    assert voice.markdown(text) == []


@pytest.mark.parametrize(
    "text", ["As an AI, I", "I am an AI", "I'm an AI", "a large language model", "I was trained by", "as a helpful guide"]
)
def test_ai_speak_is_found(text: str) -> None:
    assert voice.ai_speak(text)


def test_violations_name_each_rule_that_is_broken() -> None:
    found = voice.violations("As an AI, I can't help.\n- okay", 80, 160)
    assert [v.split(":")[0] for v in found] == ["contraction", "markdown", "filler", "ai_speak", "length"]


def test_near_duplicates_are_found_and_distinct_texts_are_not() -> None:
    text = "the causes of faction are sown in the nature of man and cannot be removed without a worse disease"
    found = voice.near_duplicates(
        [("a", text), ("b", text + " indeed"), ("c", "a wholly different sentence about corn and rain")], 0.5
    )
    assert [(x, y) for x, y, _ in found] == [("a", "b")]
