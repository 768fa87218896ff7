"""The trainer seam, on the tiny base with the real library."""

from pathlib import Path

import pytest

from stages.foundry import chat, files, training
from stages.foundry.files import Record
from stages.foundry.params import Params, Student
from stages.foundry.stage import FoundryError


def pair(n: int, chosen: str = "The several States agreed upon it.") -> Record:
    return {
        "id": f"p{n}",
        "prompt": chat.user(f"Question {n}?"),
        "chosen": chat.assistant(f"{chosen} {n}"),
        "rejected": chat.assistant(f"Okay, here's a list {n}"),
    }


def run(tiny: Path, target: Path, defaults: Params, recipe: Student) -> tuple[Record, list[Record]]:
    renderer = chat.Renderer(tiny, {})
    data = training.prepare([pair(n) for n in range(8)], [pair(9)], renderer, 128)
    held = training.render([pair(n) for n in range(20, 26)], renderer)
    settings = defaults.training.model_copy(update={"save_steps": 1})
    return training.train(recipe, defaults.bases["tiny"], tiny, settings, data, held, renderer, 7, target)


@pytest.fixture(scope="module")
def recipe(defaults: Params) -> Student:
    return defaults.recipe().model_copy(update={"lr": 1e-4, "rank": 4, "alpha": 8, "epochs": 6.0})


def test_training_lowers_the_loss_and_the_same_inputs_give_the_same_bytes(
    tiny: Path, tmp_path: Path, defaults: Params, recipe: Student
) -> None:
    metrics, curve = run(tiny, tmp_path / "a", defaults, recipe)
    run(tiny, tmp_path / "b", defaults, recipe)
    assert metrics["steps"] == 12 == len(curve)
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert metrics["heldout_nll_gain"] > 0
    assert metrics["heldout_nll_gain_low"] <= metrics["heldout_nll_gain"] <= metrics["heldout_nll_gain_high"]
    assert metrics["effective_lr"] == pytest.approx(1e-4 * defaults.bases["tiny"].lr_scale)
    assert metrics["effective_beta"] == pytest.approx(defaults.beta * defaults.bases["tiny"].beta_scale)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert files.sha256(tmp_path / "a" / name) == files.sha256(tmp_path / "b" / name)
    assert str(tmp_path) not in (tmp_path / "a" / "adapter_config.json").read_text()


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    tiny: Path, tmp_path: Path, defaults: Params, recipe: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOUNDRY_STATE", str(tmp_path / "state"))
    run(tiny, tmp_path / "whole", defaults, recipe)
    from transformers import Trainer

    saved = Trainer._save_checkpoint

    def killed(self: Trainer, *args: object, **kwargs: object) -> None:
        if self.state.global_step == 5:
            raise KeyboardInterrupt
        saved(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_checkpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tiny, tmp_path / "cut", defaults, recipe)
    left = list((tmp_path / "state/checkpoints").glob("*/checkpoint-*"))
    assert {p.name for p in left} == {"checkpoint-3", "checkpoint-4"}
    _, curve = run(tiny, tmp_path / "cut", defaults, recipe)
    assert len(curve) == 12
    name = "adapter_model.safetensors"
    assert files.sha256(tmp_path / "cut" / name) == files.sha256(tmp_path / "whole" / name)
    assert not list((tmp_path / "state/checkpoints").glob("*/checkpoint-*"))


def test_a_checkpoint_without_its_marker_is_not_resumed_from(tmp_path: Path) -> None:
    for step in (9, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-9/complete").touch()
    assert training._last_complete(tmp_path) == str(tmp_path / "checkpoint-9")


def test_a_loss_that_is_not_finite_ends_the_run(tiny: Path, tmp_path: Path, defaults: Params, recipe: Student) -> None:
    base = defaults.bases["tiny"].model_copy(update={"lr_scale": 1e38, "dtype": "float32"})
    renderer = chat.Renderer(tiny, {})
    data = training.prepare([pair(n) for n in range(8)], [pair(9)], renderer, 128)
    held = training.render([pair(20)], renderer)
    with pytest.raises(FoundryError, match="not finite; lower lr"):
        training.train(recipe, base, tiny, defaults.training, data, held, renderer, 7, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_an_empty_completion_and_a_prompt_that_fills_the_length_are_caught_before_training(tiny: Path) -> None:
    renderer = chat.Renderer(tiny, {})
    empty = pair(1) | {"rejected": chat.assistant("  ")}
    with pytest.raises(FoundryError, match="pair p1: its rejected response is empty"):
        training.prepare([pair(0), empty], [], renderer, 128)
    with pytest.raises(FoundryError, match=r"pair p0: its prompt takes \d+ tokens of max_length 40"):
        training.prepare([pair(0)], [], renderer, 40)


def test_pairs_cut_at_the_length_are_counted(tiny: Path) -> None:
    long = pair(1, "and so forth " * 100)
    assert training.prepare([pair(0), long], [], chat.Renderer(tiny, {}), 128).truncated == 1


def test_heldout_figures_are_those_of_a_hand_computed_case() -> None:
    metrics = training.heldout_metrics([(-4.0, -2.0), (-3.0, -2.0)], [(-2.0, -3.0), (-3.0, -2.5)], 0)
    assert metrics["heldout_nll_chosen_base"] == 3.5
    assert metrics["heldout_nll_chosen_adapter"] == 2.5
    assert metrics["heldout_nll_gain"] == 1.0
    assert metrics["heldout_reward_accuracy_base"] == 0
    assert metrics["heldout_reward_accuracy_adapter"] == 0.5
    assert metrics["heldout_margin_adapter"] == 0.25


def test_mean_log_probability_covers_the_completion_alone(tiny: Path) -> None:
    import torch

    from stages.foundry.engines.hf import load

    renderer, model = chat.Renderer(tiny, {}), load(tiny)
    value, count = training.mean_logps(model, renderer, "A question? ", "An answer.<|im_end|>")
    ids = renderer.ids("A question? An answer.<|im_end|>")
    with torch.inference_mode():
        logps = torch.log_softmax(model(torch.tensor([ids])).logits[0].float(), -1)
    start = len(ids) - count
    assert count == len(ids) - len(renderer.ids("A question? "))
    by_hand = sum(float(logps[n - 1, ids[n]]) for n in range(start, len(ids))) / count
    assert value == pytest.approx(by_hand, abs=1e-2)
