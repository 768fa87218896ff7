"""Speed as ratios measured side by side in one run; figures are printed, never asserted on."""

import time
from pathlib import Path

from stages.foundry import chat, engines
from stages.foundry.params import Params

PROMPTS = [{"id": f"p{n}", "prompt": f"What did the convention decide on question {n}?"} for n in range(24)]


def seconds(weights: Path, renderer: chat.Renderer, defaults: Params, batch_size: int) -> float:
    engine = engines.build(weights, None)
    sampling = defaults.generation.model_copy(update={"batch_size": batch_size})
    started = time.perf_counter()
    engines.respond(engine, renderer, PROMPTS, weights.name, 1, 1, 32, sampling)
    return time.perf_counter() - started


def test_batched_generation_against_one_prompt_at_a_time(tiny: Path, defaults: Params) -> None:
    renderer = chat.Renderer(tiny, {})
    seconds(tiny, renderer, defaults, 24)  # warm-up
    pairs = [(seconds(tiny, renderer, defaults, 1), seconds(tiny, renderer, defaults, 24)) for _ in range(3)]
    ratios = sorted(single / batched for single, batched in pairs)
    print(f"\n24 prompts x 32 tokens on the tiny base: one at a time takes {ratios[1]:.1f} x the time of one batch of 24")
