"""Judge the responses of one serving path."""

from pathlib import Path

from stages.foundry import files, judges, params, prompts, stage


def main() -> None:
    path = stage.arguments(__doc__, path=params.PATHS).path
    p = params.load()
    responses = files.read_jsonl(Path(f"data/responses/{path}.jsonl"))
    asked = prompts.read(Path("data/eval/standard.jsonl"))
    judged = judges.judgments(judges.build(p.judge), responses, asked, p.judging.weights)
    files.write_jsonl(Path(f"data/judgments/{path}.jsonl"), judged)


if __name__ == "__main__":
    stage.run(main)
