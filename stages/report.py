"""Write metrics/report.md: scores, training, pairs and answers to read."""

from pathlib import Path

from stages.foundry import files, params, report, stage


def main() -> None:
    if stage.flag(__doc__, "timings", "print the minutes of the last run of each stage instead"):
        print(report.timings(stage.state_dir() / "timings.jsonl"))
        return
    p = params.load()
    scores = files.read_json(Path("metrics/paths.json"))
    text = report.build(
        f"{p.character.capitalize()} on {p.base}: {p.objective} on {p.dataset}",
        (scores["judge"], scores["rubric_version"]),
        scores["paths"],
        {path: files.read_jsonl(Path(f"data/judgments/{path}.jsonl")) for path in params.PATHS},
        {path: files.read_jsonl(Path(f"data/responses/{path}.jsonl")) for path in ("base", "adapter")},
        files.read_json(Path("metrics/train.json")),
        {version: files.read_json(Path(f"metrics/pairs/{version}.json")) for version in params.VERSIONS},
        {quant: files.read_json(Path(f"models/gguf/{quant}/tensors.json")) for quant in params.QUANTS},
    )
    files.write_text(Path("metrics/report.md"), text)


if __name__ == "__main__":
    stage.run(main)
