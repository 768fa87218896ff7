"""The offline judge: deterministic, free, from the response and the prompt's signals alone.

It counts surfaces: it can tell an assistant's manner from a statesman's, and it cannot tell good history from bad.
Read its scores as a gate for voice and integrity.
"""

from __future__ import annotations

import re
from typing import Any

from stages.foundry import voice
from stages.foundry.files import Record

# The manner of an assistant or an essay of today: words that Madison's messages and letters hardly know in this use.
_MODERN = re.compile(
    r"\b(?:crucial\w*|challeng(?:e|es|ing)|perspectives?|complex\w*|impact\w*|ensur(?:e|es|ing)|context\w*|issues?|"
    r"potential\w*|frameworks?|divers(?:e|ity)|highlight\w*|essentially|ultimately|additionally|furthermore|overall|"
    r"various|foster\w*|underscor\w*|aspects?|key|navigat\w+|empower\w*|resilien\w+|inclusiv\w*|focus\w*|strateg\w+|"
    r"approach\w*|significan\w+|role|roles|process\w*|unique\w*|insights?|concepts?|individuals?|community|communities|"
    r"lifestyle|technolog\w+|internet|online|computers?|digital|media|global|economy|economic|environment\w*|"
    r"discrimination|gender|equality|democracy|leadership|scenario|data|okay|guys|kids)\b",
    re.IGNORECASE,
)
# Words of argument in his register. None names a topic: the question's own nouns earn nothing.
_PERIOD = re.compile(
    r"\b(?:upon|whilst|wherein|whereof|thereof|therein|hence|whence|thence|thus|nor|shall|ought|sir|latter|former|"
    r"whatever|whichever|every|such|several|least|cannot|without|must|indeed|yet|though|neither|either|rather|"
    r"the more|so far|no less|by no means|in the hands of|inasmuch|notwithstanding|i own|i confess|i grant|i thought|"
    r"i held|i wrote|i never|i had|it was|had been|were it|being)\b",
    re.IGNORECASE,
)
_JOINT = re.compile(
    r"\b(?:which|who|whom|whose|that|because|since|unless|until|while|whilst|though|although|when|where|if|nor|but|yet|"
    r"for|therefore|than|as)\b|[;:]",
    re.IGNORECASE,
)
_CONCESSION = re.compile(
    r"\b(?:grant|concede|own that|admit|allow that|though|although|yet|however|but|notwithstanding|not so|true)\b",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"\b(?:i|me|my|mine|myself|we|our|us)\b", re.IGNORECASE)
_OUTSIDE = re.compile(
    r"\b(?:james madison (?:was|is|believed|would|had)|madison(?:'s|\u2019s| was| is| believed| would| argued)|"
    r"founding father|founders believed|historians?|in the 1[78]00s|the user)\b",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\b(?:i (?:cannot|can't|can\u2019t|am unable to|'m unable to) (?:answer|provide|discuss|engage|respond|fulfil)|"
    r"i(?:'m| am|\u2019m) sorry,? but|i must decline to answer)\b",
    re.IGNORECASE,
)  # fmt: skip
_SENTENCE = re.compile(r"[.!?]+(?:\s+|$)")


# English prose is nearly half made of these; random words and lists of names are not.
_COMMON = frozenset(
    [
        "the",
        "of",
        "and",
        "to",
        "a",
        "in",
        "that",
        "it",
        "is",
        "was",
        "for",
        "as",
        "with",
        "his",
        "be",
        "by",
        "on",
        "not",
        "he",
        "i",
        "this",
        "are",
        "or",
        "her",
        "had",
        "at",
        "from",
        "which",
        "but",
        "have",
        "an",
        "they",
        "you",
        "were",
        "their",
        "there",
        "been",
        "has",
        "when",
        "who",
        "will",
        "no",
        "more",
        "if",
        "out",
        "so",
        "up",
        "said",
        "what",
        "its",
        "about",
        "than",
        "into",
        "them",
        "can",
        "only",
        "other",
        "time",
        "new",
        "some",
        "could",
        "these",
        "two",
        "may",
        "first",
        "then",
        "do",
        "any",
        "my",
        "now",
        "such",
        "like",
        "our",
        "over",
        "me",
        "even",
        "most",
        "made",
        "after",
        "also",
        "did",
        "many",
        "must",
        "before",
        "him",
        "she",
        "all",
        "would",
        "we",
        "those",
        "own",
        "upon",
        "nor",
        "us",
        "one",
        "how",
    ]
)
_MIN_COMMON = 0.2


def _clip(value: float) -> int:
    return max(1, min(10, int(value + 0.5)))


def _signals(text: str, signals: list[str]) -> list[str]:
    """The signals of which at least one alternative (``a | b``) stands in ``text``; a word start must match."""
    low = text.lower()
    return [
        s for s in signals if any(re.search(rf"(?<!\w){re.escape(a.strip())}", low) for a in s.lower().split("|") if a.strip())
    ]


class Offline:
    name = "offline-surface"
    rubric_version = "offline-surface-1"

    def judge(self, response: Record, prompt: Record) -> dict[str, Any]:
        text = str(response["response"])
        count = len(voice.words(text))
        if degenerate := self._degenerate(text, str(prompt["prompt"])):
            components = ("voice_authenticity", "rhetorical_pattern", "historical_accuracy", "position_fidelity")
            return self._verdict(
                dict.fromkeys((*components, "character_integrity"), 1),
                dict.fromkeys((*components, "character_integrity"), degenerate),
                [f"degenerate: {degenerate}"],
            )
        per100 = 100 / count
        marks = {
            "contractions": len(voice.contractions(text)),
            "markdown": len(voice.markdown(text)),
            "filler": len(voice.filler(text)),
            "modern": len(_MODERN.findall(text)),
            "period": len(_PERIOD.findall(text)),
        }
        machine, refusal = voice.ai_speak(text), _REFUSAL.findall(text)
        first, outside = len(_FIRST_PERSON.findall(text)), _OUTSIDE.findall(text)
        sentences = [n for part in _SENTENCE.split(text) if (n := len(voice.words(part)))]
        # The last sentence is left out where generation was cut in its middle.
        if response.get("finish_reason") == "length" and len(sentences) > 1:
            sentences = sentences[:-1]
        length = sum(sentences) / len(sentences)
        must, must_not = prompt["signals"]["must"], prompt["signals"]["must_not"]
        shown, forbidden = _signals(text, must), _signals(text, must_not)
        share = len(shown) / len(must) if must else 0.5

        # Caps, not only deductions: one bullet list is an assistant's answer whatever its words.
        voice_score = 4.5 + 0.45 * marks["period"] * per100 - 0.8 * marks["modern"] * per100
        voice_score -= 1.0 * marks["contractions"] * per100 + 2.0 * marks["filler"] + 0.5 * marks["markdown"]
        if marks["markdown"] or marks["filler"] or machine:
            voice_score = min(voice_score, 4)
        rhetoric = 1 + 0.22 * min(length, 30) + 0.18 * min(len(_JOINT.findall(text)) * per100, 16)
        rhetoric += 0.3 * min(len(_CONCESSION.findall(text)) * per100, 3) - 0.6 * marks["markdown"]
        history = 4 + 5 * share - 3 * len(forbidden) - 0.4 * marks["modern"] * per100
        position = 3 + 7 * share - 3 * len(forbidden)
        integrity = (9.5 if first else 5.5) - 3 * len(outside) - 0.5 * marks["contractions"] * per100
        integrity -= 1.0 * marks["filler"] + 0.5 * marks["markdown"]
        if machine or refusal:
            integrity = 1

        failures = [f"ai_self_identification: {m}" for m in machine]
        failures += [f"refusal: {m}" for m in refusal] + [f"forbidden_signal: {s}" for s in forbidden]
        failures += [f"outside_view: {m}" for m in outside]
        return self._verdict(
            {
                "voice_authenticity": _clip(voice_score),
                "rhetorical_pattern": _clip(rhetoric),
                "historical_accuracy": _clip(history),
                "position_fidelity": _clip(position),
                "character_integrity": _clip(integrity),
            },
            {
                "voice_authenticity": ", ".join(f"{n} {name}" for name, n in marks.items()),
                "rhetorical_pattern": f"{length:.0f} words a sentence, {len(_JOINT.findall(text))} joints",
                "historical_accuracy": f"{len(shown)} of {len(must)} signals, {len(forbidden)} forbidden",
                "position_fidelity": f"shown: {'; '.join(shown) or 'none'}",
                "character_integrity": f"{first} first person, {len(outside)} outside view, {len(machine)} AI-speak",
            },
            failures,
        )

    @staticmethod
    def _degenerate(text: str, prompt: str) -> str | None:
        """Why a reply cannot be one: empty, a stub, word salad, a loop, or the question given back."""
        count = len(voice.words(text))
        if count < 8:
            return f"{count} words"
        common = sum(w in _COMMON for w in voice.words(text)) / count
        if common < _MIN_COMMON:
            return f"not prose: {common:.0%} common words"
        runs = [tuple(voice.words(text)[i : i + 3]) for i in range(count - 2)]
        if len(set(runs)) / len(runs) < 0.6:
            return f"repeats itself: {len(set(runs))} of {len(runs)} three-word runs are distinct"
        if voice.jaccard(voice.shingles(text, 3), voice.shingles(prompt, 3)) > 0.5:
            return "repeats the question"
        return None

    @staticmethod
    def _verdict(scores: dict[str, int], reasons: dict[str, str], failures: list[str]) -> dict[str, Any]:
        return {
            "status": "scored",
            "scores": scores,
            "reasons": reasons,
            "critical_failures": failures,
            "judge_overall_score": None,
            "usage": None,
        }
