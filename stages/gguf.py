"""Write the merged model as a GGUF of one encoding, with a Modelfile."""

from pathlib import Path

from stages.foundry import export, params, stage


def main() -> None:
    quant = stage.arguments(__doc__, quant=params.QUANTS).quant
    p = params.load()
    folder = Path("models/gguf")
    f16 = None if quant == "F16" else folder / "F16"
    export.export(
        Path("models/merged"), f16, quant, folder / quant, p.chosen_base, p.character.capitalize(), p.export, p.generation
    )


if __name__ == "__main__":
    stage.run(main)
