"""The llama.cpp engine: one GGUF, on the machine's processors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from stages.foundry.engines import Completion
from stages.foundry.params import Generation
from stages.foundry.stage import FoundryError


class LlamaCpp:
    name = "llama.cpp"

    def __init__(self, folder: Path) -> None:
        import llama_cpp

        self.version = f"llama-cpp-python {llama_cpp.__version__}"
        files = sorted(folder.glob("*.gguf"))
        if len(files) != 1:
            raise FoundryError(f"{folder}: holds {len(files)} GGUF files, needed: one")
        self.file = files[0]
        # Affinity, not os.cpu_count(): in a container the latter counts the host's processors.
        self.threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    def generate(
        self,
        prompts: list[list[int]],
        seeds: list[int],
        max_new_tokens: int,
        sampling: Generation,
        progress: Callable[[int], None],
    ) -> list[Completion]:
        from llama_cpp import Llama

        context = max(len(p) for p in prompts) + max_new_tokens
        try:
            model = Llama(str(self.file), n_ctx=context, n_threads=self.threads, n_threads_batch=self.threads, verbose=False)
        except ValueError as error:
            raise FoundryError(f"{self.file}: llama.cpp cannot load it ({error})") from None
        completions = []
        for prompt, seed in zip(prompts, seeds, strict=True):
            model.reset()
            model.set_seed(seed)
            ids: list[int] = []
            reason = "length"
            # The history's sampling and nothing else: min_p and the penalties have other defaults here.
            for token in model.generate(
                prompt,
                top_k=sampling.top_k,
                top_p=sampling.top_p,
                temp=sampling.temperature,
                min_p=0.0,
                repeat_penalty=1.0,
            ):
                if token == model.token_eos():
                    reason = "stop"
                    break
                ids.append(token)
                if len(ids) == max_new_tokens:
                    break
            completions.append(Completion(ids, reason))
            progress(1)
        model.close()
        return completions
