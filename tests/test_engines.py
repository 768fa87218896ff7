"""Engines sample reproducibly and are given the same ids."""

from pathlib import Path

from stages.foundry import chat, engines
from stages.foundry.params import Params

PROMPTS = [{"id": f"p{n}", "prompt": "word " * (n + 1)} for n in range(4)]


def answers(tiny: Path, defaults: Params, prompts: list[dict[str, str]], seed: int = 1, samples: int = 1) -> dict[str, str]:
    records = engines.respond(
        engines.build(tiny, None), chat.Renderer(tiny, {}), prompts, "base", seed, samples, 6, defaults.generation
    )
    return {f"{r['id']}/{r['sample']}": r["response"] for r in records}


def test_the_same_seed_gives_the_same_replies_and_another_gives_others(tiny: Path, defaults: Params) -> None:
    first = answers(tiny, defaults, PROMPTS)
    assert answers(tiny, defaults, PROMPTS) == first
    assert answers(tiny, defaults, PROMPTS, seed=2) != first


def test_samples_of_one_prompt_differ(tiny: Path, defaults: Params) -> None:
    assert len(set(answers(tiny, defaults, PROMPTS[:1], samples=3).values())) == 3


def test_a_response_record_says_how_it_was_made(tiny: Path, defaults: Params) -> None:
    record = engines.respond(
        engines.build(tiny, None), chat.Renderer(tiny, {}), PROMPTS[:1], "base", 1, 1, 6, defaults.generation
    )[0]
    assert record["finish_reason"] in ("stop", "length")
    assert record["completion_tokens"] <= 6
    assert record["engine"] == "transformers"
    assert record["engine_version"]
    assert record["seed"] >= 0


def test_sampling_takes_only_the_top_k(tiny: Path, defaults: Params) -> None:
    greedy = defaults.generation.model_copy(update={"top_k": 1})
    replies = [
        engines.respond(engines.build(tiny, None), chat.Renderer(tiny, {}), PROMPTS[:1], "base", seed, 1, 6, greedy)[0][
            "response"
        ]
        for seed in (1, 2)
    ]
    assert replies[0] == replies[1]
