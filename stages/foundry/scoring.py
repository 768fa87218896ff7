"""Scoring room: judgments into the flat metrics that `dvc metrics diff` prints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from stages.foundry.files import Record
from stages.foundry.params import CATEGORIES
from stages.foundry.prompts import DIFFICULTIES
from stages.foundry.stage import FoundryError
from stages.foundry.stats import mean_and_se


def the_rubric(judgments: Mapping[str, list[Record]]) -> tuple[str, str]:
    """(judge, rubric version) of all the judgments.

    Raises FoundryError where there are several: scores of different judges never stand in one table.
    """
    seen = {(r["judge"], r["rubric_version"]) for rows in judgments.values() for r in rows}
    if len(seen) > 1:
        names = " and ".join(sorted(f"{j} {v}" for j, v in seen))
        raise FoundryError(f"judgments of {names} cannot stand in one table: judge every path again")
    return seen.pop()


def path_scores(rows: list[Record], prompts: list[Record], max_unscored: float, path: str) -> Record:
    """``overall, overall_se``, the six categories, the three difficulties, critical failures and counts of a path.

    Means are over prompts of each prompt's mean over its scored samples; errors are clustered by prompt. A figure
    without any scored answer is None. Raises FoundryError above ``max_unscored``, the share of unscored answers.
    """
    facts = {p["id"]: p for p in prompts}
    scored = [r for r in rows if r["status"] == "scored"]
    unscored = len(rows) - len(scored)
    if unscored > max_unscored * len(rows):
        raise FoundryError(
            f"path {path}: {unscored} of {len(rows)} answers are unscored; judging.max_unscored allows {max_unscored:.0%}"
        )

    def mean(select: dict[str, str]) -> tuple[float | None, float | None]:
        by_prompt: dict[str, list[float]] = defaultdict(list)
        for row in scored:
            if all(facts[row["id"]][key] == value for key, value in select.items()):
                by_prompt[row["id"]].append(row["overall"])
        if not by_prompt:
            return None, None
        centre, error = mean_and_se(by_prompt)
        return round(centre, 4), round(error, 4)

    overall, error = mean({})
    return {
        "overall": overall,
        "overall_se": error,
        **{short: mean({"category": name})[0] for name, short in CATEGORIES.items()},
        **{difficulty: mean({"difficulty": difficulty})[0] for difficulty in DIFFICULTIES},
        "critical_failures": sum(bool(r["critical_failures"]) for r in rows),
        "n_scored": len(scored),
        "n_unscored": unscored,
    }


def flat(by_path: Mapping[str, Record]) -> Record:
    """metrics/scores.json: the adapter's figures, then ``overall_<path>`` of every other path."""
    return by_path["adapter"] | {f"overall_{p}": s["overall"] for p, s in by_path.items() if p != "adapter"}


def extremes(rows: list[Record], n: int) -> tuple[list[Record], list[Record]]:
    """(best, worst) ``n`` answers of a path by overall, ties by id."""
    ranked = sorted((r for r in rows if r["overall"] is not None), key=lambda r: (-r["overall"], r["id"], r["sample"]))
    return ranked[:n], ranked[-n:][::-1]
