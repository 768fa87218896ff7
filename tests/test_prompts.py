"""Rounds at a scale."""

from pathlib import Path
from typing import Any

import pytest

from stages.foundry import prompts
from stages.foundry.params import Params
from stages.foundry.stage import FoundryError
from tests.conftest import ROOT


@pytest.mark.parametrize("scale", [0.01, 0.03, 0.08, 0.1, 0.13, 0.5, 0.77, 1])
def test_shares_of_the_categories_sum_to_the_scaled_total(defaults: Params, scale: float) -> None:
    for spec in defaults.rounds.values():
        shares = prompts.apportion(spec.counts, scale)
        assert sum(shares.values()) == prompts.at_scale(spec.total, scale)
        for category, count in spec.counts.items():
            assert abs(shares[category] - count * scale) <= 1


def test_the_history_counts_stand_in_the_rounds(defaults: Params) -> None:
    assert {name: spec.total for name, spec in defaults.rounds.items()} == {"v1": 200, "v3b": 275, "voice": 400, "r2": 225}
    assert defaults.rounds["voice"].counts["anachronism_trap"] == 100


@pytest.mark.parametrize("name", ["v1", "v3b", "voice", "r2"])
def test_the_default_scale_is_fully_served(defaults: Params, name: Any) -> None:
    path = ROOT / f"data/authored/prompts/{name}.jsonl"
    chosen = prompts.select(prompts.read(path), defaults.rounds[name], defaults.scale, path)
    assert len(chosen) == prompts.at_scale(defaults.rounds[name].total, defaults.scale)


def test_selection_does_not_depend_on_the_order_of_the_file(defaults: Params) -> None:
    path = ROOT / "data/authored/prompts/voice.jsonl"
    records = prompts.read(path)
    spec = defaults.rounds["voice"]
    assert prompts.select(records, spec, 0.05, path) == prompts.select(records[::-1], spec, 0.05, path)


def test_asking_for_more_than_exists_says_how_many_there_are_and_what_to_do(defaults: Params) -> None:
    path = ROOT / "data/authored/prompts/v1.jsonl"
    there = sum(p["category"] == "ground_truth" for p in prompts.read(path))
    with pytest.raises(FoundryError) as error:
        prompts.select(prompts.read(path), defaults.rounds["v1"], 1, path)
    message = str(error.value)
    assert f"scale 1 asks for 60 ground_truth (there are {there})" in message
    fits = float(message.rpartition("at most ")[2].split()[0])
    assert prompts.select(prompts.read(path), defaults.rounds["v1"], fits, path)


def test_a_prompt_of_an_unknown_category_names_its_id(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(
        '{"id": "x-1", "round": "v1", "category": "jokes", "difficulty": "easy", "prompt": "?", "signals": {"must": ["a"]}}\n'
    )
    with pytest.raises(FoundryError, match="x-1: category 'jokes'"):
        prompts.read(path)
