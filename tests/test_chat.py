"""One renderer for the trainer and every engine."""

from pathlib import Path

from stages.foundry import chat, training
from stages.foundry.params import Params

QUESTION = chat.user("In 1787, was it 55 delegates?\n\nTell me \u2014 truly.")
ANSWER = chat.assistant("There were fifty-five, of whom thirty-nine signed.")


def test_a_completion_ends_with_the_end_of_turn_and_nothing_after(tiny: Path) -> None:
    renderer = chat.Renderer(tiny, {})
    ids = renderer.ids(renderer.completion_text(QUESTION, ANSWER))
    assert ids[-1] == renderer.eos_id
    assert ids.count(renderer.eos_id) == 1
    assert renderer.text(ids) == ANSWER[0]["content"]


def test_prompt_and_completion_are_what_the_template_writes_for_the_whole(tiny: Path) -> None:
    renderer = chat.Renderer(tiny, {})
    whole = renderer.tokenizer.apply_chat_template(QUESTION + ANSWER, tokenize=False)
    assert (renderer.prompt_text(QUESTION) + renderer.completion_text(QUESTION, ANSWER)).strip() == whole.strip()


def test_digits_are_split_as_llama_cpp_splits_them(tiny: Path) -> None:
    tokens = chat.Renderer(tiny, {}).tokenizer.tokenize("In 1787")
    assert tokens == ["In", "\u0120", "1", "7", "8", "7"]


def test_a_think_block_is_left_out(tiny: Path) -> None:
    renderer = chat.Renderer(tiny, {})
    assert renderer.text(renderer.ids("<think>a plan</think>\nThe answer.")) == "The answer."
    assert renderer.text(renderer.ids("<think>cut in the middle")) == ""


def test_the_trainer_sees_the_ids_that_the_engines_see(tiny: Path, tmp_path: Path, defaults: Params) -> None:
    from datasets import Dataset
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    from stages.foundry.engines.hf import load

    renderer = chat.Renderer(tiny, {})
    pair = {"prompt": QUESTION, "chosen": ANSWER, "rejected": chat.assistant("Okay!")}
    rows = training.render([pair], renderer)
    config = ORPOConfig(output_dir=str(tmp_path), max_length=224, report_to="none", use_cpu=True, bf16=False)
    trainer = ORPOTrainer(
        model=load(tiny), args=config, train_dataset=Dataset.from_list(rows), processing_class=renderer.tokenizer
    )
    row = trainer.train_dataset[0]
    prompt = renderer.prompt_ids(QUESTION)
    assert row["prompt_input_ids"] == prompt
    assert row["chosen_input_ids"] == prompt + renderer.ids(renderer.completion_text(QUESTION, ANSWER))
    assert row["chosen_labels"][: len(prompt)] == [-100] * len(prompt)
