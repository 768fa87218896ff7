"""Cut the sources into passages with author, register and date."""

from pathlib import Path

from stages.foundry import files, sources, stage


def main() -> None:
    stage.arguments(__doc__)
    folder = Path("data/sources")
    passages = sources.passages(files.read_json(folder / "index.json")["sources"], folder)
    files.write_jsonl(Path("data/passages.jsonl"), passages)


if __name__ == "__main__":
    stage.run(main)
