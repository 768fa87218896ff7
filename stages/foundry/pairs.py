"""Pairs room: filter the chosen, pick the rejected, and grow one version out of another."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from stages.foundry import voice
from stages.foundry.chat import assistant, user
from stages.foundry.files import Record, order
from stages.foundry.params import Filters, Round
from stages.foundry.prompts import at_scale
from stages.foundry.stage import FoundryError

# English prose under a byte-level BPE of about 50,000 tokens: 1.3 tokens a word on the authored responses.
TOKENS_PER_WORD = 1.3


def chosen_records(prompts: list[Record], answers: dict[str, str], teacher: str) -> list[Record]:
    """Each prompt with the teacher's response; ``source_ids`` names the passages that the prompt was given."""
    return [
        {
            "id": p["id"],
            "round": p["round"],
            "category": p["category"],
            "prompt": p["prompt"],
            "response": answers[p["id"]],
            "chosen_source": "source-enriched" if p.get("source_ids") else "constitution",
            "teacher": teacher,
            "source_ids": p.get("source_ids", []),
        }
        for p in prompts
    ]


def audit(chosen: list[Record], evaluation: list[Record], filters: Filters) -> list[Record]:
    """Each chosen record with ``violations``: why it may not be trained on, empty when it may.

    Voice (contractions, markdown, filler, AI-speak), length, near-duplicates of an earlier response (word-4-gram
    Jaccard), and a prompt too like one of ``evaluation`` (word Jaccard).
    """
    twins = {
        later: earlier
        for earlier, later, _ in voice.near_duplicates(((r["id"], r["response"]) for r in chosen), filters.near_duplicate)
    }
    held_out = [(e["id"], voice.shingles(e["prompt"], 1)) for e in evaluation]
    audited = []
    for record in chosen:
        found = voice.violations(record["response"], filters.min_words, filters.max_words)
        if record["id"] in twins:
            found.append(f"near_duplicate: of {twins[record['id']]}")
        own = voice.shingles(record["prompt"], 1)
        found += [f"eval_overlap: with {key}" for key, other in held_out if voice.jaccard(own, other) >= filters.eval_overlap]
        audited.append(record | {"violations": found})
    return audited


def check_enough(clean: int, wanted: int, dropped: list[Record], name: str) -> None:
    """Raises FoundryError naming what was dropped and why when fewer than ``wanted`` records are clean."""
    if clean >= wanted:
        return
    why = "; ".join(f"{r['id']}: {', '.join(r['violations'])}" for r in dropped[:5])
    more = f" and {len(dropped) - 5} more" if len(dropped) > 5 else ""
    raise FoundryError(f"{name}: {clean} of the {wanted} pairs needed can be used; dropped {why}{more}")


def keep(records: list[Record], wanted: int, name: str) -> list[Record]:
    """``wanted`` of the records, a surplus dropped by the hash of the id. A shortage raises FoundryError."""
    if len(records) < wanted:
        raise FoundryError(f"{name}: {len(records)} pairs, needed: {wanted}")
    kept = {r["id"] for r in sorted(records, key=lambda r: order(r["id"]))[:wanted]}
    return [r for r in records if r["id"] in kept]


def select_rejected(base: Record, student: Record | None) -> tuple[Record, str]:
    """The better contrast of two replies, as the history's voice round chose it (FACTS 8).

    The student's when it sounds modern at all and at least as much as the base model's; else the base model's when
    that sounds modern; else the base model's as ``fallback``.
    """
    base_count = voice.modern_count(base["response"])
    if student is not None:
        count = voice.modern_count(student["response"])
        if count > 0 and count >= base_count:
            return student, str(student["path"])
    return base, "base" if base_count > 0 or student is None else "fallback"


def build(
    parent: list[Record],
    chosen: list[Record],
    rejected: list[Record],
    contrast: list[Record] | None,
    spec: Round,
    scale: float,
    filters: Filters,
    constitution_sha256: str,
    name: str,
) -> tuple[list[Record], dict[str, Any]]:
    """The pairs of a version, and its metrics: ``parent`` plus ``spec.copies`` times the kept pairs of the round.

    ``contrast`` holds the student's replies of the voice round, None elsewhere. Raises FoundryError for an empty or
    missing rejected reply, and where fewer than ``spec.kept`` x scale pairs can be kept.
    """
    replies = {r["id"]: r for r in rejected}
    contrasts = {r["id"]: r for r in contrast or []}
    taken = [(p["id"], voice.shingles(p["chosen"][0]["content"])) for p in parent]
    usable, dropped = [], [r for r in chosen if r["violations"]]
    for record in (r for r in chosen if not r["violations"]):
        if record["id"] not in replies:
            raise FoundryError(f"{name}: {record['id']} has no rejected reply")
        own = voice.shingles(record["response"])
        twin = next((key for key, other in taken if voice.jaccard(own, other) >= filters.near_duplicate), None)
        if twin is not None:
            dropped.append(record | {"violations": [f"near_duplicate: of {twin}"]})
            continue
        reply, source = select_rejected(replies[record["id"]], contrasts.get(record["id"]))
        if not reply["response"].strip():
            # An empty completion has no tokens to score: ORPO's loss would be NaN.
            dropped.append(record | {"violations": [f"empty_rejected: from {source}"]})
            continue
        usable.append(
            {
                "id": record["id"],
                "prompt": user(record["prompt"]),
                "chosen": assistant(record["response"]),
                "rejected": assistant(reply["response"]),
                "round": record["round"],
                "category": record["category"],
                "chosen_source": record["chosen_source"],
                "rejected_source": source,
                "teacher": record["teacher"],
                "constitution_sha256": constitution_sha256,
                "source_ids": record["source_ids"],
                "weight": spec.copies,
            }
        )
    wanted = at_scale(spec.kept, scale)
    check_enough(len(usable), wanted, dropped, name)
    kept = keep(usable, wanted, name)
    copies = [p | {"id": p["id"] + (f"+{n}" if n else "")} for n in range(spec.copies) for p in kept]
    pairs = parent + copies
    return pairs, _metrics(pairs, kept, dropped, chosen)


def _metrics(pairs: list[Record], kept: list[Record], dropped: list[Record], chosen: list[Record]) -> dict[str, Any]:
    def word_count(rows: list[Record], side: str) -> int:
        return sum(len(voice.words(message["content"])) for row in rows for message in row[side])

    chosen_words, rejected_words, prompt_words = (word_count(pairs, side) for side in ("chosen", "rejected", "prompt"))
    sources = Counter(p["rejected_source"] for p in kept)
    reasons = Counter(v.split(":")[0] for r in dropped for v in r["violations"])
    return {
        "pairs": len(pairs),
        "distinct_prompts": len({prompt_key(p) for p in pairs}),
        "round_prompts": len(chosen),
        "round_kept": len(kept),
        "round_dropped": len(dropped),
        "dropped_by": dict(sorted(reasons.items())),
        "dropped": [{"id": r["id"], "violations": r["violations"]} for r in dropped],
        "share_of_round": {r: round(n / len(pairs), 4) for r, n in sorted(Counter(p["round"] for p in pairs).items())},
        "rejected_from": {key: round(n / len(kept), 4) for key, n in sorted(sources.items())},
        "chosen_words": round(chosen_words / len(pairs), 1),
        "rejected_words": round(rejected_words / len(pairs), 1),
        "chosen_modern_marks": sum(voice.modern_count(p["chosen"][0]["content"]) for p in pairs),
        "rejected_modern_marks": sum(voice.modern_count(p["rejected"][0]["content"]) for p in pairs),
        "estimated_tokens": round((chosen_words + rejected_words + 2 * prompt_words) * TOKENS_PER_WORD),
    }


def prompt_key(pair: Record) -> str:
    """The id of the prompt that a pair was made from: the same for an upsampled pair and its twins."""
    return str(pair["id"]).partition("+")[0]


def split(pairs: list[Record], test_share: float) -> tuple[list[Record], list[Record]]:
    """(train, test) with exactly ceil(test_share x n) test pairs, whole prompts at a time, drawn by hash.

    A prompt's twins never lie on both sides. Raises FoundryError where that leaves no pair to train on, or where
    only upsampled prompts remain for a single place.
    """
    groups: dict[str, list[Record]] = {}
    for pair in pairs:
        groups.setdefault(prompt_key(pair), []).append(pair)
    wanted = math.ceil(round(test_share * len(pairs), 9))
    test: set[str] = set()
    left = wanted
    for key in sorted(groups, key=lambda k: order(f"split:{k}")):
        if len(groups[key]) <= left:
            test.add(key)
            left -= len(groups[key])
        if left == 0:
            break
    if left or wanted >= len(pairs):
        raise FoundryError(f"{len(pairs)} pairs cannot give a test part of exactly {wanted} with whole prompts")
    return (
        [p for p in pairs if prompt_key(p) not in test],
        [p for p in pairs if prompt_key(p) in test],
    )
