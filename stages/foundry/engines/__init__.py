"""Engines: what turns token ids into token ids. Adding one is one file here.

A *serving path* is a name (`params.PATHS`) for weights, an optional adapter over them, and the engine that runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stages.foundry.chat import Renderer, user
from stages.foundry.files import Record, seed_of
from stages.foundry.params import Generation


@dataclass(frozen=True)
class Completion:
    ids: list[int]
    finish_reason: str  # "stop": the model ended its turn; "length": it was cut at max_new_tokens


class Engine(Protocol):
    name: str
    version: str

    def generate(
        self,
        prompts: list[list[int]],
        seeds: list[int],
        max_new_tokens: int,
        sampling: Generation,
        progress: Callable[[int], None],
    ) -> list[Completion]:
        """One completion a prompt, sampled with the seed of the same place; ``progress`` gets the number finished."""
        ...


def build(weights: Path, adapter: Path | None) -> Engine:
    """llama.cpp for a folder that holds a GGUF, transformers for one that holds safetensors."""
    if any(weights.glob("*.gguf")):
        from stages.foundry.engines.llamacpp import LlamaCpp

        return LlamaCpp(weights)
    from stages.foundry.engines.hf import Transformers

    return Transformers(weights, adapter)


def respond(
    engine: Engine,
    renderer: Renderer,
    prompts: list[Record],
    path: str,
    seed: int,
    samples: int,
    max_new_tokens: int,
    sampling: Generation,
) -> list[Record]:
    """Response records (DESIGN 5) for ``samples`` answers to each prompt, in order of prompt and sample.

    A response's seed depends on the run's seed, the prompt's id and the sample, not on the path: where two paths
    are the same function, their answers are the same.
    """
    from tqdm import tqdm

    jobs = [(p, s, seed_of(seed, p["id"], s)) for p in prompts for s in range(samples)]
    ids = [renderer.prompt_ids(user(p["prompt"])) for p, _, _ in jobs]
    with tqdm(total=len(jobs), desc=f"{path}: {engine.name}", unit="reply") as bar:
        completions = engine.generate(ids, [s for _, _, s in jobs], max_new_tokens, sampling, lambda n: bar.update(n) and None)
    return [
        {
            "id": prompt["id"],
            "path": path,
            "sample": sample,
            "prompt": prompt["prompt"],
            "response": renderer.text(completion.ids),
            "finish_reason": completion.finish_reason,
            "completion_tokens": len(completion.ids),
            "seed": reply_seed,
            "engine": engine.name,
            "engine_version": engine.version,
        }
        for (prompt, sample, reply_seed), completion in zip(jobs, completions, strict=True)
    ]
