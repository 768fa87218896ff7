"""Judges: who scores a response. Adding one is one file here and its name in `params.Params.judge`."""

from __future__ import annotations

from typing import Any, Protocol

from stages.foundry.files import Record
from stages.foundry.params import Weights

COMPONENTS = (
    "voice_authenticity",
    "rhetorical_pattern",
    "historical_accuracy",
    "position_fidelity",
    "character_integrity",
)


class Judge(Protocol):
    name: str
    rubric_version: str

    def judge(self, response: Record, prompt: Record) -> dict[str, Any]:
        """``{status, scores, reasons, critical_failures, judge_overall_score, usage}``.

        ``scores`` maps each of `COMPONENTS` to an integer from 1 to 10, and is None when ``status`` is not "scored".
        """
        ...


def build(name: str) -> Judge:
    from stages.foundry.judges.offline import Offline

    return {"offline": Offline}[name]()


def weighted(scores: dict[str, int], weights: Weights) -> float:
    """The overall: the components' weighted mean, 25/20/20/20/15 in the history, on the scale of 1 to 10."""
    table = weights.model_dump()
    return float(sum(table[c] * scores[c] for c in COMPONENTS))


def judgments(judge: Judge, responses: list[Record], prompts: list[Record], weights: Weights) -> list[Record]:
    """Judgment records (DESIGN 5); what could not be scored has null scores and a null overall, never 0."""
    from stages.foundry.stage import FoundryError

    by_id = {p["id"]: p for p in prompts}
    records = []
    for response in responses:
        if response["id"] not in by_id:
            raise FoundryError(f"response {response['id']} answers no prompt of the evaluation set")
        verdict = judge.judge(response, by_id[response["id"]])
        scored = verdict["status"] == "scored"
        records.append(
            {key: response[key] for key in ("id", "path", "sample")}
            | {
                "scores": verdict["scores"] if scored else None,
                "overall": round(weighted(verdict["scores"], weights), 4) if scored else None,
                "judge_overall_score": verdict["judge_overall_score"],
                "critical_failures": verdict["critical_failures"],
                "reasons": verdict["reasons"],
                "status": verdict["status"],
                "judge": judge.name,
                "rubric_version": judge.rubric_version,
                "usage": verdict["usage"],
            }
        )
    return records
