"""Bring the base model into models/base/ as safetensors."""

from pathlib import Path

from stages.foundry import base, params, stage


def main() -> None:
    stage.arguments(__doc__)
    base.build(params.load().chosen_base, Path("models/base"))


if __name__ == "__main__":
    stage.run(main)
