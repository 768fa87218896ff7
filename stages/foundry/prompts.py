"""Prompts room: which of the authored prompts make up a round at a given scale."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.foundry.files import Record, order, read_jsonl
from stages.foundry.params import CATEGORIES, Round
from stages.foundry.stage import FoundryError

PROMPT_KEYS = ("id", "round", "category", "difficulty", "prompt", "signals")
DIFFICULTIES = ("easy", "medium", "hard")


def read(path: Path) -> list[Record]:
    """Prompt records. Raises FoundryError naming file and id for an unknown category or difficulty."""
    records = read_jsonl(path, PROMPT_KEYS)
    for record in records:
        for key, allowed in (("category", tuple(CATEGORIES)), ("difficulty", DIFFICULTIES)):
            if record[key] not in allowed:
                raise FoundryError(f"{path}: {record['id']}: {key} {record[key]!r} is not one of {', '.join(allowed)}")
    return records


def at_scale(count: int, scale: float) -> int:
    """``count`` x ``scale``, rounded half up, at least 1: a round never vanishes."""
    return max(1, math.floor(count * scale + 0.5))


def apportion(counts: Mapping[Any, int], scale: float) -> dict[str, int]:
    """Share `at_scale` of the total among the categories by largest remainder, ties by name.

    The shares sum to ``at_scale(sum(counts), scale)`` exactly.
    """
    total = at_scale(sum(counts.values()), scale)
    exact = {key: total * count / sum(counts.values()) for key, count in counts.items()}
    shares = {key: math.floor(value) for key, value in exact.items()}
    by_remainder = sorted(exact, key=lambda key: (shares[key] - exact[key], key))
    for key in by_remainder[: total - sum(shares.values())]:
        shares[key] += 1
    return shares


def largest_scale(counts: Mapping[Any, int], have: Mapping[str, int]) -> float:
    """The largest scale in steps of 0.01 that ``have`` serves, 0 where there is none."""
    fits = (
        s / 100
        for s in range(100, 0, -1)
        if all(have.get(key, 0) >= wanted for key, wanted in apportion(counts, s / 100).items())
    )
    return next(fits, 0.0)


def select(records: list[Record], spec: Round, scale: float, path: Path) -> list[Record]:
    """The prompts of a round at ``scale``, stratified by category, drawn by the hash of their ids, in order of id.

    Raises FoundryError saying how many there are of each category that falls short, and what to do.
    """
    wanted = apportion(spec.counts, scale)
    have = Counter(record["category"] for record in records)
    if short := {key: n for key, n in wanted.items() if have[key] < n}:
        lacking = ", ".join(f"{n} {key} (there are {have[key]})" for key, n in short.items())
        fits = largest_scale(spec.counts, have)
        remedy = f"set scale to at most {fits:g} or add prompts" if fits else "add prompts"
        raise FoundryError(f"{path}: scale {scale:g} asks for {lacking}; {remedy}")
    chosen = []
    for category, n in wanted.items():
        candidates = [r for r in records if r["category"] == category]
        chosen += sorted(candidates, key=lambda r: order(r["id"]))[:n]
    return sorted(chosen, key=lambda r: r["id"])


def check_passages(records: list[Record], passages: list[Record], path: Path) -> None:
    """Raises FoundryError for a prompt that names a passage which does not exist."""
    known = {passage["id"] for passage in passages}
    for record in records:
        for source_id in record.get("source_ids", []):
            if source_id not in known:
                raise FoundryError(f"{path}: {record['id']} names passage {source_id!r}, which no enabled source holds")
