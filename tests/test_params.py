"""The typed loader."""

import pytest

from stages.foundry import params
from stages.foundry.stage import FoundryError
from tests.conftest import ROOT

TEXT = (ROOT / "params.yaml").read_text("utf-8")


@pytest.mark.parametrize("written", ["2e-5", "2e-05", "2.0e-5", "0.00002"])
def test_a_learning_rate_without_a_dot_is_a_number(written: str) -> None:
    assert params.parse(TEXT.replace("lr: 2e-5\n", f"lr: {written}\n", 1)).lr == 2e-5


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("lr: 2e-5\n", "lr: fast\n", ["lr", "'fast'", "number"]),
        ("lr: 2e-5\n", "lr: '2e-5'\n", ["lr", "'2e-5'", "number"]),
        ("scale: 0.15", "scale: 0", ["scale", "0", "greater than 0"]),
        ("scale: 0.15", "scale: 2", ["scale", "2", "less than or equal to 1"]),
        ("beta: 0.1\n", "beta: 0.1\nbetta: 0.2\n", ["betta", "unknown", "0.2", "allowed", "beta"]),
        ("  top_k: 64", "  topk: 64", ["generation.topk", "unknown", "top_k"]),
        ("base: smollm2-135m", "base: gpt", ["base", "'gpt'", "tiny"]),
        ("dataset: v6", "dataset: v9", ["dataset", "'v9'", "v3b"]),
        ("samples: 1\n", "samples: 1.5\n", ["samples", "1.5", "integer"]),
        ("character_integrity: 0.15", "character_integrity: 0.25", ["judging.weights", "1.1", "exactly 1"]),
        ("seed: 42", "seed: [", ["not YAML"]),
    ],
)
def test_a_wrong_param_is_one_line_with_key_value_and_what_is_allowed(before: str, after: str, said: list[str]) -> None:
    assert before in TEXT
    with pytest.raises(FoundryError) as error:
        params.parse(TEXT.replace(before, after, 1))
    message = str(error.value)
    assert "\n" not in message
    for word in said:
        assert word in message


def test_null_epochs_and_lengths_take_the_values_of_the_base() -> None:
    loaded = params.parse(TEXT)
    assert loaded.max_new_tokens is None
    assert loaded.new_tokens == loaded.chosen_base.max_new_tokens
    assert params.parse(TEXT.replace("max_new_tokens: null", "max_new_tokens: 7", 1)).new_tokens == 7


def test_every_key_of_the_recipe_stands_under_a_sentence() -> None:
    lines = TEXT.splitlines()
    for key in params.Params.model_fields:
        place = next(i for i, line in enumerate(lines) if line.startswith(f"{key}:"))
        if key not in ("judging", "export"):
            assert lines[place - 1].startswith("#"), key
