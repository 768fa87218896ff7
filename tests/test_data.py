"""The committed data: what the evaluation measures is in no round, and every authored response could be trained on."""

from collections import Counter
from pathlib import Path

import pytest

from stages.foundry import files, pairs, prompts, voice
from stages.foundry.judges.offline import _signals
from stages.foundry.params import ROUNDS, Params
from tests.conftest import ROOT

HELDOUT = prompts.read(ROOT / "data/eval/heldout.jsonl")
STANDARD = prompts.read(ROOT / "data/eval/standard.jsonl")


def authored(name: str) -> tuple[list[files.Record], dict[str, str]]:
    asked = prompts.read(ROOT / f"data/authored/prompts/{name}.jsonl")
    answers = files.read_jsonl(ROOT / f"data/authored/responses/{name}.jsonl", ("id", "response"))
    return asked, {a["id"]: a["response"] for a in answers}


@pytest.mark.parametrize("name", ROUNDS)
def test_every_authored_response_passes_the_filters(defaults: Params, name: str) -> None:
    asked, answers = authored(name)
    rows = pairs.chosen_records(asked, answers, "authored")
    found = {r["id"]: r["violations"] for r in pairs.audit(rows, STANDARD + HELDOUT, defaults.filters) if r["violations"]}
    assert found == {}


def test_there_are_at_least_120_prompts_and_every_round_has_every_category() -> None:
    rounds = {name: Counter(p["category"] for p in authored(name)[0]) for name in ROUNDS}
    assert sum(c.total() for c in rounds.values()) >= 120
    assert all(len(c) == 6 for c in rounds.values())


def test_the_standard_set_has_the_history_counts() -> None:
    assert Counter(p["category"] for p in STANDARD) == {
        "ground_truth": 8,
        "verified_response": 8,
        "position_discrimination": 6,
        "anachronism_trap": 5,
        "character_consistency": 4,
        "private_voice": 5,
    }
    assert Counter(p["difficulty"] for p in STANDARD) == {"easy": 3, "medium": 14, "hard": 19}


def test_the_40_held_out_prompts_and_responses_are_in_no_round() -> None:
    assert len(HELDOUT) == 40
    for name in ROUNDS:
        asked, answers = authored(name)
        for held in HELDOUT:
            question, answer = voice.shingles(held["prompt"], 1), voice.shingles(held["response"])
            for row in asked:
                assert voice.jaccard(question, voice.shingles(row["prompt"], 1)) < 0.4, (held["id"], row["id"])
                assert voice.jaccard(answer, voice.shingles(answers[row["id"]])) < 0.1, (held["id"], row["id"])


def test_an_authored_response_shows_the_signals_of_its_prompt_and_none_that_are_forbidden() -> None:
    for name in ROUNDS:
        asked, answers = authored(name)
        for row in asked:
            signals = row["signals"]
            assert _signals(answers[row["id"]], signals["must"]), row["id"]
            assert _signals(answers[row["id"]], signals["must_not"]) == [], row["id"]


def test_every_r2_prompt_names_passages_that_exist() -> None:
    asked, _ = authored("r2")
    assert all(row["source_ids"] for row in asked)
    passage = {f"madison-{year}" for year in range(1809, 1817)}
    assert {key.partition("#")[0] for row in asked for key in row["source_ids"]} <= passage


def test_the_constitution_speaks_in_the_first_person_without_contractions() -> None:
    text = Path(ROOT / "data/constitution/madison.md").read_text("utf-8")
    assert voice.contractions(text) == []
    assert text.count("\n## ") == 9
    assert voice.words(text).count("i") > 50
