"""Draw a round's prompts at the scale, stratified by category."""

from pathlib import Path

from stages.foundry import files, params, prompts, stage


def main() -> None:
    name = stage.arguments(__doc__, round=params.ROUNDS).round
    p = params.load()
    path = Path(f"data/authored/prompts/{name}.jsonl")
    records = prompts.read(path)
    prompts.check_passages(records, files.read_jsonl(Path("data/passages.jsonl")), path)
    files.write_jsonl(Path(f"data/prompts/{name}.jsonl"), prompts.select(records, p.rounds[name], p.scale, path))


if __name__ == "__main__":
    stage.run(main)
