"""The offline judge: what it must see, and what must not win."""

import json
from typing import Any

import pytest

from stages.foundry import judges
from stages.foundry.judges.offline import Offline
from stages.foundry.params import Params
from tests.conftest import ROOT

HELDOUT = [json.loads(line) for line in (ROOT / "data/eval/heldout.jsonl").read_text("utf-8").splitlines()]
# Distinct words of the period, in no order: nothing repeats, and nothing is said.
SALAD = (
    "whilst faction republic whereof senate hence commerce latter militia thence treaty former suffrage wherein embargo "
    "charter impost whence province magistrate therein parchment excise legislature thereof posterity tyranny quorum "
    "sovereignty despotism frigate cabinet yeoman ordinance plantation mechanic tonnage apportionment petition remonstrance"
)
FEDERALIST = (
    "Among the numerous advantages promised by a well constructed Union, none deserves to be more accurately developed than "
    "its tendency to break and control the violence of faction. The friend of popular governments never finds himself so "
    "much alarmed for their character and fate, as when he contemplates their propensity to this dangerous vice."
)


def overall(text: str, prompt: dict[str, Any], defaults: Params) -> float:
    verdict = Offline().judge({"response": text, "finish_reason": "stop"}, prompt)
    return judges.weighted(verdict["scores"], defaults.judging.weights)


def mean(texts: list[str], defaults: Params) -> float:
    return sum(overall(t, p, defaults) for t, p in zip(texts, HELDOUT, strict=True)) / len(HELDOUT)


def test_authored_responses_score_above_every_cheap_trick(defaults: Params) -> None:
    authored = mean([p["response"] for p in HELDOUT], defaults)
    tricks = {
        "empty": "",
        "salad": SALAD,
        "loop": "I own that the several States are the several States. " * 8,
        "off topic": FEDERALIST,
        "assistant": "Okay, great question! Here's a breakdown:\n- **Key point**: it's crucial\n- Context matters",
        "machine": "As an AI language model, I do not have personal opinions, and I cannot speak as James Madison would.",
    }
    scores = {name: mean([text] * len(HELDOUT), defaults) for name, text in tricks.items()}
    scores["echo"] = mean([p["prompt"] for p in HELDOUT], defaults)
    assert authored > 7.5
    assert all(score < authored - 1.5 for score in scores.values()), scores
    assert all(scores[name] == 1 for name in ("empty", "salad", "loop", "echo")), scores
    assert max(scores["assistant"], scores["machine"]) < 4


def test_a_reply_that_says_it_is_a_machine_is_a_critical_failure() -> None:
    verdict = Offline().judge({"response": "I am an AI, and the States were jealous of power in my day."}, HELDOUT[0])
    assert verdict["scores"]["character_integrity"] == 1
    assert any(f.startswith("ai_self_identification") for f in verdict["critical_failures"])


def test_a_forbidden_signal_is_a_critical_failure_and_costs_history_and_position() -> None:
    prompt = {"prompt": "?", "signals": {"must": ["faction | party"], "must_not": ["social media"]}}
    text = "I held that a faction may be checked by the extent of the republic, whatever its temper might be."
    good = Offline().judge({"response": text}, prompt)["scores"]
    bad = Offline().judge({"response": text + " So too with social media."}, prompt)
    assert bad["critical_failures"] == ["forbidden_signal: social media"]
    assert bad["scores"]["historical_accuracy"] < good["historical_accuracy"]
    assert bad["scores"]["position_fidelity"] < good["position_fidelity"]


def test_a_contraction_costs_voice_whichever_its_apostrophe() -> None:
    prompt = HELDOUT[0]
    text = "I cannot think it was so, nor had I ever thought it, whatever Mr. Henry said of it in the convention."
    plain = Offline().judge({"response": text}, prompt)["scores"]["voice_authenticity"]
    for apostrophe in "'\u2019":
        bent = text.replace("cannot", f"can{apostrophe}t")
        assert Offline().judge({"response": bent}, prompt)["scores"]["voice_authenticity"] < plain


def test_every_component_is_an_integer_from_1_to_10_with_a_reason() -> None:
    for prompt in HELDOUT[:8]:
        verdict = Offline().judge({"response": prompt["response"]}, prompt)
        assert set(verdict["scores"]) == set(judges.COMPONENTS) == set(verdict["reasons"])
        assert all(isinstance(s, int) and 1 <= s <= 10 for s in verdict["scores"].values())


def test_the_overall_is_weighted_25_20_20_20_15(defaults: Params) -> None:
    scores = dict(zip(judges.COMPONENTS, (10, 1, 2, 3, 4), strict=True))
    assert judges.weighted(scores, defaults.judging.weights) == pytest.approx(2.5 + 0.2 + 0.4 + 0.6 + 0.6)


def test_an_unscored_answer_is_null_and_never_zero(defaults: Params) -> None:
    class Silent(Offline):
        def judge(self, response: dict[str, Any], prompt: dict[str, Any]) -> dict[str, Any]:
            return super().judge(response, prompt) | {"status": "unparsed"}

    response = {"id": HELDOUT[0]["id"], "path": "base", "sample": 0, "response": "text"}
    record = judges.judgments(Silent(), [response], HELDOUT, defaults.judging.weights)[0]
    assert record["scores"] is None
    assert record["overall"] is None
    assert record["status"] == "unparsed"
