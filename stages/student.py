"""Train a student that a later round is generated from, and quantise it as the history served it."""

from pathlib import Path

from stages.foundry import export, params, stage, training


def main() -> None:
    name = stage.arguments(__doc__, student=("v3b",)).student
    p = params.load()
    folder = Path(f"models/students/{name}")
    training.train_recipe(p, p.students[name], [], folder / "adapter")
    export.export_student(
        folder, Path("models/base"), p.chosen_base, f"{p.character.capitalize()}-student", p.export, p.generation
    )


if __name__ == "__main__":
    stage.run(main)
