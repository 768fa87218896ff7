"""Voice room: surface marks that betray a modern assistant, and the distances used to find duplicates.

Everything here is a pure function of text, so that the filters, the selection of the voice round and the offline
judge count the same things the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_APOSTROPHE = "['\u2019\u02bc]"
# Only words that cannot be possessives: "Britain's" is period English, "that's" is not his written voice.
_CONTRACTION = re.compile(
    rf"\b(?:\w+n{_APOSTROPHE}t|(?:i|you|we|they|who|what|that|there|it|he|she){_APOSTROPHE}(?:re|ve|ll|d|m)"
    rf"|(?:it|that|he|she|what|there|here|let|who|where|how|when|why){_APOSTROPHE}s|y{_APOSTROPHE}all)\b",
    re.IGNORECASE,
)
_MARKDOWN = re.compile(
    r"^\s*(?:#{1,6}\s+\S|[-*\u2022]\s+\S|\d+[.)]\s+\S|```|>\s|\|.*\|)|\*\*[^*\n]+\*\*|__[^_\n]+__|(?<![\w*])\*[^*\s][^*\n]*\*(?![\w*])",
    re.MULTILINE,
)
_BULLET = re.compile(r"^\s*[-*\u2022]\s", re.MULTILINE)

FILLER = (
    "okay", "ok,", "absolutely", "great question", "good question", "certainly!", "sure!", "of course!",
    "let's break", "let's dive", "let's explore", "let me break", "here's a breakdown", "here's the thing",
    "dive into", "delve into", "it's important to", "it is important to note", "it's worth noting",
    "it is worth noting", "in today's", "at the end of the day", "in conclusion", "i hope this helps",
    "let me know if", "feel free to", "happy to help", "key takeaway", "game-changer", "bottom line",
    "to summarize", "in summary", "nuanced", "multifaceted", "a testament to", "navigate the complexities",
    "fascinating",
)  # fmt: skip
_FILLER = re.compile("|".join(rf"(?<!\w){re.escape(f)}(?!\w)" for f in FILLER), re.IGNORECASE)

_AI_SPEAK = re.compile(
    r"\bas an ai\b|\bi(?:'|\u2019)?\s?a?m an ai\b|\ban ai (?:language )?(?:model|assistant)\b|\blanguage model\b|\bchatbot\b"
    r"|\bartificial intelligence\b|\bvirtual assistant\b|\bai assistant\b|\bmy training data\b|\bi was trained\b"
    r"|\bneural network\b|\bopenai\b|\bhugging ?face\b|\bsmollm\b|\bqwen\b|\bgemma\b|\bmy programming\b|\bprogrammed to\b"
    r"|\bi (?:do not|don(?:'|\u2019)t) have (?:personal|feelings|emotions|opinions|beliefs)\b"
    r"|\bi(?:'|\u2019)m (?:just )?a (?:computer|machine|program)\b|\bi can(?:no|')t (?:assist|help) with\b"
    r"|\bas a (?:digital|virtual|helpful)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|\d+")


def words(text: str) -> list[str]:
    """Lower-cased words of ``text``; a curly apostrophe counts as a straight one."""
    return [w.lower().replace("\u2019", "'") for w in _WORD.findall(text)]


def contractions(text: str) -> list[str]:
    """Contractions with a straight or a curly apostrophe; possessives are not counted."""
    return _CONTRACTION.findall(text)


def markdown(text: str) -> list[str]:
    """Headings, bullets, numbered lists, bold, emphasis, quotes, tables and fences."""
    return [m.group(0).strip() for m in _MARKDOWN.finditer(text)]


def filler(text: str) -> list[str]:
    """Phrases of assistant small talk (`FILLER`)."""
    return _FILLER.findall(text)


def ai_speak(text: str) -> list[str]:
    """Phrases in which the speaker says that it is a machine."""
    return [m.group(0) for m in _AI_SPEAK.finditer(text)]


def violations(text: str, min_words: int, max_words: int) -> list[str]:
    """Reasons for which ``text`` cannot be a chosen response, empty when it can.

    ``min_words`` and ``max_words`` bound its length in words, both included.
    """
    found = []
    for name, marks in (
        ("contraction", contractions(text)),
        ("markdown", markdown(text)),
        ("filler", filler(text)),
        ("ai_speak", ai_speak(text)),
    ):
        if marks:
            found.append(f"{name}: {', '.join(sorted(set(marks)))}")
    n = len(words(text))
    if not min_words <= n <= max_words:
        found.append(f"length: {n} words, allowed {min_words} to {max_words}")
    return found


def modern_count(text: str) -> int:
    """How modern a reply sounds, as the history's voice round counted it.

    Contractions with either apostrophe + bullets at a line's start + filler phrases (FACTS 8).
    """
    return len(contractions(text)) + len(_BULLET.findall(text)) + len(filler(text))


def shingles(text: str, n: int = 4) -> set[tuple[str, ...]]:
    """Distinct ``n``-grams of words; a text shorter than ``n`` words is one shingle."""
    w = words(text)
    return {tuple(w[i : i + n]) for i in range(max(1, len(w) - n + 1))} if w else set()


def jaccard(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    """|a & b| / |a | b|, 0 when both are empty."""
    union = len(a | b)
    return len(a & b) / union if union else 0.0


def near_duplicates(texts: Iterable[tuple[str, str]], threshold: float) -> list[tuple[str, str, float]]:
    """Pairs of ids whose texts' word-4-gram Jaccard similarity is at least ``threshold``.

    Exact, by comparing all pairs: 1,500 responses take about a second.
    """
    sets = [(key, shingles(text)) for key, text in texts]
    found = []
    for i, (key, s) in enumerate(sets):
        for other, t in sets[i + 1 :]:
            # Jaccard cannot pass the ratio of the sizes: skips most pairs without an intersection.
            if min(len(s), len(t)) >= threshold * max(len(s), len(t)) and (sim := jaccard(s, t)) >= threshold:
                found.append((key, other, sim))
    return found
