"""Build a version of the pairs: its parent's, and those of its round."""

from pathlib import Path

from stages.foundry import files, pairs, params, stage

# version: (parent, round, students whose replies can be the rejected one)
LINEAGE: dict[str, tuple[str | None, params.RoundName, tuple[str, ...]]] = {
    "v1": (None, "v1", ("base",)),
    "v3b": ("v1", "v3b", ("base",)),
    "v4": ("v3b", "voice", ("base", "v3b")),
    "v6": ("v4", "r2", ("base",)),
}


def main() -> None:
    version = stage.arguments(__doc__, version=params.VERSIONS).version
    p = params.load()
    parent, name, students = LINEAGE[version]
    rejected = [files.read_jsonl(Path(f"data/rejected/{name}/{s}.jsonl")) for s in students]
    built, metrics = pairs.build(
        files.read_jsonl(Path(f"data/pairs/{parent}.jsonl")) if parent else [],
        files.read_jsonl(Path(f"data/chosen/{name}.jsonl")),
        rejected[0],
        rejected[1] if len(rejected) > 1 else None,
        p.rounds[name],
        p.scale,
        p.filters,
        files.sha256(p.constitution),
        f"pairs {version}",
    )
    files.write_jsonl(Path(f"data/pairs/{version}.jsonl"), built)
    files.write_json(Path(f"metrics/pairs/{version}.json"), metrics)


if __name__ == "__main__":
    stage.run(main)
