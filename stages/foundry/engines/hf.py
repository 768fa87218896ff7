"""The transformers engine: safetensors weights, with or without a LoRA adapter over them, batched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.foundry.engines import Completion
from stages.foundry.params import Generation
from stages.foundry.stage import FoundryError


def load(weights: Path, adapter: Path | None = None) -> Any:
    """A causal language model in the dtype it is stored in, in evaluation mode."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.use_deterministic_algorithms(True, warn_only=True)
    if not (weights / "config.json").is_file():
        raise FoundryError(f"{weights}: holds no config.json: is it a model?")
    model = AutoModelForCausalLM.from_pretrained(str(weights), dtype="auto")
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter))
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


class Transformers:
    name = "transformers"

    def __init__(self, weights: Path, adapter: Path | None) -> None:
        import transformers

        self.version = transformers.__version__
        self.model = load(weights, adapter)

    def generate(
        self,
        prompts: list[list[int]],
        seeds: list[int],
        max_new_tokens: int,
        sampling: Generation,
        progress: Callable[[int], None],
    ) -> list[Completion]:
        import torch
        from transformers import (
            LogitsProcessor,
            LogitsProcessorList,
            TemperatureLogitsWarper,
            TopKLogitsWarper,
            TopPLogitsWarper,
        )

        class Gumbel(LogitsProcessor):  # type: ignore[misc]
            """Adds Gumbel noise from one generator a row: the argmax is then an exact sample of the row's softmax.

            A reply depends on its own seed, not on its neighbours in the batch.
            """

            def __init__(self, row_seeds: list[int]) -> None:
                self.generators = [torch.Generator().manual_seed(s) for s in row_seeds]

            def __call__(self, input_ids: Any, scores: Any) -> Any:
                noise = torch.stack([torch.rand(scores.shape[-1], generator=g) for g in self.generators])
                # 1e-20 keeps log(0) out: rand() can return 0.
                return scores.float() - torch.log(-torch.log(noise.to(scores.device) + 1e-20) + 1e-20)

        pad = self.model.generation_config.pad_token_id
        eos = self.model.generation_config.eos_token_id
        stops = set(eos if isinstance(eos, list) else [eos])
        # Longest first: a batch of like lengths pads least, and a shortage of memory shows at once.
        order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), i))
        completions: list[Completion | None] = [None] * len(prompts)
        for start in range(0, len(order), sampling.batch_size):
            batch = order[start : start + sampling.batch_size]
            width = max(len(prompts[i]) for i in batch)
            ids = torch.tensor([[pad] * (width - len(prompts[i])) + prompts[i] for i in batch])
            mask = torch.tensor([[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in batch])
            warpers = LogitsProcessorList(
                [
                    TemperatureLogitsWarper(sampling.temperature),
                    TopKLogitsWarper(sampling.top_k),
                    TopPLogitsWarper(sampling.top_p),
                    Gumbel([seeds[i] for i in batch]),
                ]
            )
            with torch.inference_mode():
                out = self.model.generate(
                    input_ids=ids.to(self.model.device),
                    attention_mask=mask.to(self.model.device),
                    max_new_tokens=max_new_tokens,
                    do_sample=False,
                    logits_processor=warpers,
                )
            for i, row in zip(batch, out[:, width:].tolist(), strict=True):
                end = next((n for n, token in enumerate(row) if token in stops), None)
                completions[i] = Completion(row[:end], "length" if end is None else "stop")
            progress(len(batch))
        return [c for c in completions if c is not None]
