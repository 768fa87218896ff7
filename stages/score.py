"""Aggregate the judgments of every serving path into metrics/scores.json."""

from pathlib import Path

from stages.foundry import files, params, prompts, scoring, stage


def main() -> None:
    stage.arguments(__doc__)
    limit = params.load().judging.max_unscored
    judgments = {path: files.read_jsonl(Path(f"data/judgments/{path}.jsonl")) for path in params.PATHS}
    judge, rubric = scoring.the_rubric(judgments)
    asked = prompts.read(Path("data/eval/standard.jsonl"))
    by_path = {path: scoring.path_scores(rows, asked, limit, path) for path, rows in judgments.items()}
    files.write_json(Path("metrics/scores.json"), scoring.flat(by_path))
    files.write_json(Path("metrics/paths.json"), {"judge": judge, "rubric_version": rubric, "paths": by_path})


if __name__ == "__main__":
    stage.run(main)
