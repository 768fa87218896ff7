"""The relations, filters and selection of the history."""

import math
from typing import Any

import pytest

from stages.foundry import pairs, prompts
from stages.foundry.files import Record
from stages.foundry.params import Params
from stages.foundry.stage import FoundryError

LINEAGE = [("v1", "v1"), ("v3b", "v3b"), ("v4", "voice"), ("v6", "r2")]


def response(name: str, words: int = 90) -> str:
    """A stub teacher's response: clean, of the right length, and like no other."""
    digits = str.maketrans("0123456789-+", "abcdefghijkl")
    return " ".join(f"{name}-{n}".translate(digits) for n in range(words))


def chosen(name: str, spec_counts: dict[Any, int], scale: float) -> list[Record]:
    asked = [
        {"id": f"{name}-{short}-{n}", "round": name, "category": category, "prompt": response(f"{name}{short}{n}p", 12)}
        for short, (category, count) in enumerate(prompts.apportion(spec_counts, scale).items())
        for n in range(count)
    ]
    return pairs.chosen_records(asked, {a["id"]: response(a["id"]) for a in asked}, "stub")


def reply(record: Record, text: str, path: str = "base") -> Record:
    return {"id": record["id"], "path": path, "response": text}


def grow(defaults: Params, scale: float) -> dict[str, list[Record]]:
    built: dict[str, list[Record]] = {}
    parent: list[Record] = []
    for version, name in LINEAGE:
        spec = defaults.rounds[name]  # type: ignore[index]
        answers = pairs.audit(chosen(name, spec.counts, scale), [], defaults.filters)
        replies = [reply(a, "Okay, here is a list:\n- one") for a in answers]
        parent, metrics = pairs.build(parent, answers, replies, None, spec, scale, defaults.filters, "0", version)
        assert metrics["pairs"] == len(parent)
        built[version] = parent
    return built


def test_at_scale_1_the_versions_have_200_475_1273_and_1498_pairs(defaults: Params) -> None:
    built = grow(defaults, 1)
    assert [len(built[v]) for v, _ in LINEAGE] == [200, 475, 1273, 1498]
    voice = [p for p in built["v4"] if p["round"] == "voice"]
    # 62.7 % voice pairs in v4: 798 of 1,273.
    assert round(len(voice) / len(built["v4"]), 3) == 0.627
    assert len({pairs.prompt_key(p) for p in voice}) == 399


@pytest.mark.parametrize("scale", [0.03, 0.1, 0.37])
def test_the_relations_between_versions_hold_at_every_scale(defaults: Params, scale: float) -> None:
    built = grow(defaults, scale)
    kept = {name: prompts.at_scale(defaults.rounds[name].kept, scale) for _, name in LINEAGE}  # type: ignore[index]
    sizes = {v: len(rows) for v, rows in built.items()}
    assert sizes["v3b"] == sizes["v1"] + kept["v3b"]
    assert sizes["v4"] == sizes["v3b"] + 2 * kept["voice"]
    assert sizes["v6"] == sizes["v4"] + kept["r2"]
    assert built["v6"][: sizes["v4"]] == built["v4"]


def test_the_test_part_is_exact_and_never_separates_twins(defaults: Params) -> None:
    for rows in grow(defaults, 0.1).values():
        train, test = pairs.split(rows, 0.1)
        assert len(test) == math.ceil(0.1 * len(rows))
        assert len(train) + len(test) == len(rows)
        assert not {pairs.prompt_key(p) for p in train} & {pairs.prompt_key(p) for p in test}


def test_the_history_train_parts_give_861_and_1011_steps(defaults: Params) -> None:
    from stages.foundry.training import planned_steps

    built = grow(defaults, 1)
    steps = [planned_steps(len(pairs.split(built[v], 0.1)[0]), defaults.training, 3, None) for v in ("v4", "v6")]
    assert steps == [861, 1011]
    assert planned_steps(1145, defaults.training, 3, 300) == 300


def test_a_test_part_that_whole_prompts_cannot_give_is_an_error() -> None:
    twins = [{"id": "a"}, {"id": "a+1"}]
    with pytest.raises(FoundryError, match="exactly 1"):
        pairs.split(twins, 0.1)


@pytest.mark.parametrize(
    ("base", "student", "expected"),
    [
        ("It's okay", "It's okay", "v3b"),
        ("It's okay", "It's plain", "base"),
        ("It is plain", "It's plain", "v3b"),
        ("It's plain", "It is plain", "base"),
        ("It is plain", "It is plain", "fallback"),
    ],
)
def test_the_more_modern_reply_is_rejected_and_a_tie_goes_to_the_student(base: str, student: str, expected: str) -> None:
    record = {"id": "x"}
    reply_taken, source = pairs.select_rejected(reply(record, base), reply(record, student, "v3b"))
    assert source == expected
    assert reply_taken["path"] == ("v3b" if expected == "v3b" else "base")


def audited(texts: list[str], defaults: Params, evaluation: tuple[Record, ...] = ()) -> list[list[str]]:
    rows = [{"id": f"x{n}", "prompt": f"question {n} about corn", "response": t} for n, t in enumerate(texts)]
    return [[v.split(":")[0] for v in r["violations"]] for r in pairs.audit(rows, list(evaluation), defaults.filters)]


def test_a_chosen_response_that_breaks_the_voice_is_listed_with_the_reason(defaults: Params) -> None:
    clean = response("word")
    found = audited([clean, clean + " more", response("other") + " don\u2019t", "too short"], defaults)
    assert found == [[], ["near_duplicate"], ["contraction"], ["length"]]


def test_a_prompt_like_an_evaluation_prompt_is_listed(defaults: Params) -> None:
    evaluation = ({"id": "gt-01", "prompt": "A question about the corn"},)
    assert audited([response("word")], defaults, evaluation) == [["eval_overlap"]]


def test_too_few_clean_responses_name_what_was_dropped_and_why(defaults: Params) -> None:
    spec = defaults.rounds["v1"]
    rows = pairs.audit(chosen("v1", spec.counts, 0.1), [], defaults.filters)
    rows[0]["violations"] = ["contraction: don't"]
    with pytest.raises(FoundryError, match=r"19 of the 20 pairs .* v1-\d-\d: contraction: don't"):
        pairs.build([], rows, [reply(r, "Okay") for r in rows], None, spec, 0.1, defaults.filters, "0", "pairs v1")


def test_an_empty_rejected_reply_is_dropped_and_counted(defaults: Params) -> None:
    spec = defaults.rounds["voice"].model_copy(update={"kept": 390})
    rows = pairs.audit(chosen("voice", spec.counts, 0.1), [], defaults.filters)
    replies = [reply(r, "" if n == 0 else "Okay") for n, r in enumerate(rows)]
    built, metrics = pairs.build([], rows, replies, None, spec, 0.1, defaults.filters, "0", "pairs v4")
    assert metrics["dropped_by"] == {"empty_rejected": 1}
    assert rows[0]["id"] not in {p["id"] for p in built}
