"""Merge the adapter into the base model."""

from pathlib import Path

from stages.foundry import export, params, stage


def main() -> None:
    stage.arguments(__doc__)
    p = params.load()
    export.merge(Path("models/base"), Path("models/adapter"), p.chosen_base.dtype, Path("models/merged"))


if __name__ == "__main__":
    stage.run(main)
