"""Train the candidate's LoRA adapter and measure it on the held-out pairs."""

from pathlib import Path

from stages.foundry import files, params, stage, training


def main() -> None:
    stage.arguments(__doc__)
    p = params.load()
    metrics, curve = training.train_recipe(p, p.recipe(), training.read_heldout(), Path("models/adapter"))
    files.write_json(Path("metrics/train.json"), metrics)
    files.write_csv(Path("metrics/plots/train.csv"), curve)


if __name__ == "__main__":
    stage.run(main)
