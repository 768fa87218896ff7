"""Training room: one trainer seam for a preference objective over LoRA, resumable, measured on the held-out pairs."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.foundry.chat import Renderer, assistant, user
from stages.foundry.files import Record, read_jsonl, whole_directory
from stages.foundry.pairs import split
from stages.foundry.params import Base, Params, Student, Training
from stages.foundry.stage import FoundryError, state_dir
from stages.foundry.stats import paired_bootstrap

Row = dict[str, str]  # prompt, chosen, rejected: rendered text, the trainer's input


@dataclass(frozen=True)
class Data:
    train: list[Row]
    test: list[Row]
    truncated: int  # rows whose chosen or rejected is cut at max_length


def render(pairs: list[Record], renderer: Renderer) -> list[Row]:
    """Pairs as text with the template's own special tokens, so that the trainer's ids are the engines' ids."""
    return [
        {
            "prompt": renderer.prompt_text(p["prompt"]),
            "chosen": renderer.completion_text(p["prompt"], p["chosen"]),
            "rejected": renderer.completion_text(p["prompt"], p["rejected"]),
        }
        for p in pairs
    ]


def prepare(train: list[Record], test: list[Record], renderer: Renderer, max_length: int) -> Data:
    """Render and check lengths before any step.

    Raises FoundryError for an empty completion (its mean log-probability is NaN) and for a prompt that leaves its
    completions fewer than 16 tokens of ``max_length``.
    """
    truncated = 0
    rows = []
    for part in (train, test):
        rendered = render(part, renderer)
        for pair, row in zip(part, rendered, strict=True):
            for side in ("chosen", "rejected"):
                if not pair[side][0]["content"].strip():
                    raise FoundryError(f"pair {pair['id']}: its {side} response is empty")
            prompt = len(renderer.ids(row["prompt"]))
            if prompt > max_length - 16:
                raise FoundryError(f"pair {pair['id']}: its prompt takes {prompt} tokens of max_length {max_length}")
            longest = max(len(renderer.ids(row["prompt"] + row[side])) for side in ("chosen", "rejected"))
            truncated += longest > max_length
        rows.append(rendered)
    return Data(rows[0], rows[1], truncated)


def planned_steps(pairs: int, training: Training, epochs: float, max_steps: int | None) -> int:
    """Optimiser steps: a partial batch counts as a step, as in the history's 3 x ceil(1145/4) = 861."""
    steps = math.ceil(epochs * math.ceil(math.ceil(pairs / training.batch_size) / training.accumulation))
    return min(steps, max_steps) if max_steps else steps


def mean_logps(model: Any, renderer: Renderer, prompt: str, completion: str) -> tuple[float, int]:
    """Mean log-probability per token of ``completion`` after ``prompt`` (rendered text), and its number of tokens."""
    import torch

    head, whole = renderer.ids(prompt), renderer.ids(prompt + completion)
    ids = torch.tensor([whole], device=model.device)
    with torch.inference_mode():
        # Position n predicts token n + 1: only the completion's logits are computed, as float32.
        logits = model(input_ids=ids, logits_to_keep=len(whole) - len(head) + 1).logits[0, :-1].float()
    logps = torch.log_softmax(logits, dim=-1).gather(1, ids[0, len(head) :, None])
    return float(logps.mean()), len(logps)


def score_heldout(model: Any, renderer: Renderer, rows: Sequence[Row]) -> list[tuple[float, float]]:
    """(chosen, rejected) mean log-probability per token of every held-out pair, never truncated."""
    return [
        (mean_logps(model, renderer, r["prompt"], r["chosen"])[0], mean_logps(model, renderer, r["prompt"], r["rejected"])[0])
        for r in rows
    ]


def heldout_pairs(prompts: list[Record], rejected: list[Record]) -> list[Record]:
    """The fixed held-out prompts with their authored response against the base model's own reply."""
    replies = {r["id"]: r["response"] for r in rejected}
    if missing := [p["id"] for p in prompts if not replies.get(p["id"], "").strip()]:
        raise FoundryError(f"held-out prompts without a rejected reply: {', '.join(missing[:5])}")
    return [
        {
            "id": p["id"],
            "prompt": user(p["prompt"]),
            "chosen": assistant(p["response"]),
            "rejected": assistant(replies[p["id"]]),
        }
        for p in prompts
    ]


def heldout_metrics(before: list[tuple[float, float]], after: list[tuple[float, float]], seed: int) -> Record:
    """NLL is per token, averaged over prompts. Reward accuracy is ORPO's: chosen likelier per token than rejected.

    The gain is the NLL of the chosen under the base model minus that under the adapter, with its 95 % interval
    (paired bootstrap over prompts); above 0 the adapter is better.
    """
    gain, low, high = paired_bootstrap([c for c, _ in after], [c for c, _ in before], seed)

    def summary(scores: list[tuple[float, float]], suffix: str) -> Record:
        n = len(scores)
        return {
            f"heldout_nll_chosen_{suffix}": -sum(c for c, _ in scores) / n,
            f"heldout_nll_rejected_{suffix}": -sum(r for _, r in scores) / n,
            f"heldout_reward_accuracy_{suffix}": sum(c > r for c, r in scores) / n,
            f"heldout_margin_{suffix}": sum(c - r for c, r in scores) / n,
        }

    return {
        "heldout_pairs": len(before),
        **summary(before, "base"),
        **summary(after, "adapter"),
        "heldout_nll_gain": gain,
        "heldout_nll_gain_low": low,
        "heldout_nll_gain_high": high,
    }


def _checkpoints(*parts: Any) -> Path:
    """Checkpoints keyed by params and data: a changed learning rate never resumes another run's."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return state_dir() / "checkpoints" / hashlib.sha256(text.encode()).hexdigest()[:16]


def _last_complete(folder: Path) -> str | None:
    """The newest checkpoint with its marker: a kill while saving leaves one without."""
    found = sorted(folder.glob("checkpoint-*/complete"), key=lambda p: int(p.parent.name.split("-")[1]))
    return str(found[-1].parent) if found else None


def train(
    recipe: Student,
    base: Base,
    base_folder: Path,
    training: Training,
    data: Data,
    heldout: list[Row],
    renderer: Renderer,
    seed: int,
    target: Path,
) -> tuple[Record, list[Record]]:
    """Train a LoRA adapter and write it to ``target``; returns (metrics, curve by step).

    Resumes from the last complete checkpoint of the same params and data. Raises FoundryError when the loss is not
    finite. The optimiser is 8-bit AdamW where CUDA is, 32-bit else.
    """
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    from stages.foundry.engines.hf import load

    epochs = recipe.epochs or base.epochs
    rate = recipe.lr * base.lr_scale
    steps = planned_steps(len(data.train), training, epochs, recipe.max_steps)
    print(
        f"{recipe.objective}: {len(data.train)} pairs, {steps} steps, effective learning rate {rate:g}, "
        f"{data.truncated} of {len(data.train) + len(data.test)} pairs cut at {base.max_length} tokens",
        flush=True,
    )

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if not all(math.isfinite(v) for v in (logs or {}).values() if isinstance(v, float)):
                raise FoundryError(f"step {state.global_step}: a value of {logs} is not finite; lower lr or lr_scale")

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / "complete").touch()

    checkpoints = _checkpoints(recipe.model_dump(), base.model_dump(), training.model_dump(), data.train, seed)
    torch.manual_seed(seed)
    model = load(base_folder)
    before = score_heldout(model, renderer, heldout)
    config = ORPOConfig(
        output_dir=str(checkpoints),
        seed=seed,
        data_seed=seed,
        learning_rate=rate,
        beta=recipe.beta * base.beta_scale,
        num_train_epochs=epochs,
        max_steps=recipe.max_steps or -1,
        per_device_train_batch_size=training.batch_size,
        per_device_eval_batch_size=training.batch_size,
        gradient_accumulation_steps=training.accumulation,
        max_grad_norm=training.max_grad_norm,
        weight_decay=training.weight_decay,
        warmup_steps=training.warmup,
        lr_scheduler_type="cosine",
        optim="adamw_bnb_8bit" if torch.cuda.is_available() else "adamw_torch",
        bf16=base.dtype == "bfloat16",
        max_length=base.max_length,
        gradient_checkpointing=torch.cuda.is_available(),
        logging_steps=1,
        save_steps=training.save_steps,
        save_total_limit=2,
        report_to="none",
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        logging_nan_inf_filter=False,
    )
    trainer = ORPOTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(data.train),
        eval_dataset=Dataset.from_list(data.test),
        processing_class=renderer.tokenizer,
        peft_config=LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=training.dropout,
            # All linear layers but the head: a tied base shares it with the embedding.
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=[Watch()],
    )
    trainer.train(resume_from_checkpoint=_last_complete(checkpoints))
    test = trainer.evaluate()
    tuned = trainer.model.eval()
    after = score_heldout(tuned, renderer, heldout)
    with whole_directory(target) as folder:
        tuned.save_pretrained(str(folder))
        # PEFT's card template writes the absolute path of the base model: not the same bytes on two machines.
        (folder / "README.md").unlink(missing_ok=True)
        settings = json.loads((folder / "adapter_config.json").read_text())
        settings["base_model_name_or_path"] = base.source
        settings["target_modules"] = sorted(settings["target_modules"])
        (folder / "adapter_config.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(checkpoints, ignore_errors=True)

    curve = [
        {
            "step": row["step"],
            "loss": row["loss"],
            "nll": row["nll_loss"],
            "margin": row["rewards/margins"],
            "accuracy": row["rewards/accuracies"],
            "learning_rate": row["learning_rate"],
        }
        for row in trainer.state.log_history
        if "loss" in row
    ]
    metrics: Record = {
        "steps": trainer.state.global_step,
        "pairs_train": len(data.train),
        "pairs_test": len(data.test),
        "pairs_truncated": data.truncated,
        "effective_lr": rate,
        "effective_beta": recipe.beta * base.beta_scale,
        "seed": seed,
        "final_loss": sum(row["loss"] for row in curve[-5:]) / len(curve[-5:]),
        "test_loss": test["eval_loss"],
        "test_reward_accuracy": test["eval_rewards/accuracies"],
        **(heldout_metrics(before, after, seed) if heldout else {}),
    }
    return {k: round(v, 6 if k == "effective_lr" else 4) if isinstance(v, float) else v for k, v in metrics.items()}, curve


def read_heldout() -> list[Record]:
    """The 40 held-out pairs, the same whatever the candidate is trained on."""
    return heldout_pairs(
        read_jsonl(Path("data/eval/heldout.jsonl"), ("id", "prompt", "response")),
        read_jsonl(Path("data/rejected/heldout/base.jsonl")),
    )


def train_recipe(params: Params, recipe: Student, heldout: list[Record], target: Path) -> tuple[Record, list[Record]]:
    """Train ``recipe`` on its version of the pairs, over models/base; measured on ``heldout`` where it is not empty."""
    base = params.chosen_base
    renderer = Renderer(Path("models/base"), base.template_options)
    pairs = read_jsonl(Path(f"data/pairs/{recipe.dataset}.jsonl"), ("id", "prompt", "chosen", "rejected"))
    parts = split(pairs, params.training.test_share)
    data = prepare(*parts, renderer, base.max_length)
    return train(
        recipe,
        base,
        Path("models/base"),
        params.training,
        data,
        render(heldout, renderer),
        renderer,
        params.seed,
        target,
    )
