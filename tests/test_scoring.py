"""Aggregates, errors and the refusal to mix judges."""

import math
from typing import Any

import pytest

from stages.foundry import report, scoring, stats
from stages.foundry.stage import FoundryError

PROMPTS = [
    {"id": "a", "category": "ground_truth", "difficulty": "easy"},
    {"id": "b", "category": "ground_truth", "difficulty": "hard"},
    {"id": "c", "category": "private_voice", "difficulty": "hard"},
]


def row(key: str, overall: float | None, sample: int = 0, failures: int = 0, version: str = "1") -> dict[str, Any]:
    status = "unparsed" if overall is None else "scored"
    judge = {"judge": "offline", "rubric_version": version}
    return {"id": key, "sample": sample, "overall": overall, "status": status, "critical_failures": ["x"] * failures} | judge


def test_a_mean_is_over_prompts_and_its_error_is_clustered_by_prompt() -> None:
    rows = [row("a", 4), row("a", 6, 1), row("b", 9), row("b", 9, 1), row("c", 1), row("c", 1, 1, failures=2)]
    scores = scoring.path_scores(rows, PROMPTS, 0, "adapter")
    assert scores["overall"] == 5
    assert scores["overall_se"] == pytest.approx(math.sqrt((0 + 16 + 16) / 2 / 3), abs=1e-4)
    assert scores["GT"] == 7
    assert scores["PV"] == 1
    assert scores["hard"] == 5
    assert scores["critical_failures"] == 1
    assert scores["AT"] is None


def test_an_unscored_answer_is_left_out_of_the_mean_and_counted() -> None:
    scores = scoring.path_scores([row("a", 8), row("b", 6), row("c", None)], PROMPTS, 0.5, "adapter")
    assert (scores["overall"], scores["n_scored"], scores["n_unscored"]) == (7, 2, 1)


def test_too_many_unscored_answers_end_the_stage() -> None:
    with pytest.raises(FoundryError, match=r"path Q8_0: 1 of 3 answers are unscored; judging\.max_unscored allows 10%"):
        scoring.path_scores([row("a", 8), row("b", 6), row("c", None)], PROMPTS, 0.1, "Q8_0")


def test_two_rubric_versions_never_stand_in_one_table() -> None:
    with pytest.raises(FoundryError, match="offline 1 and offline 2 cannot stand in one table"):
        scoring.the_rubric({"base": [row("a", 1)], "adapter": [row("a", 1, version="2")]})


def test_the_flat_metrics_are_the_adapters_and_one_overall_a_path() -> None:
    by_path = {
        p: scoring.path_scores([row("a", n), row("b", n)], PROMPTS, 0, p) for n, p in enumerate(("base", "adapter", "F16"), 1)
    }
    flat = scoring.flat(by_path)
    assert (flat["overall"], flat["overall_base"], flat["overall_F16"]) == (2, 1, 3)
    assert "overall_adapter" not in flat


def test_a_paired_bootstrap_covers_the_difference_and_is_repeatable() -> None:
    before, after = [1.0, 2.0, 3.0, 4.0] * 10, [1.5, 2.5, 3.5, 4.5] * 10
    assert stats.paired_bootstrap(after, before, 1) == (0.5, 0.5, 0.5)
    noisy = [a + (0.3 if n % 2 else -0.3) for n, a in enumerate(after)]
    mean, low, high = stats.paired_bootstrap(noisy, before, 1)
    assert low < mean < high
    assert stats.paired_bootstrap(noisy, before, 1) == (mean, low, high)


def test_a_table_shows_a_missing_figure_as_such() -> None:
    assert report.table(["a", "b"], [[1.234, None]]).splitlines()[-1] == "| 1.23 | n/a |"
