"""Fetch the primary sources of data/sources.yaml and check their sha256."""

from pathlib import Path

from stages.foundry import sources, stage


def main() -> None:
    stage.arguments(__doc__)
    sources.fetch_all(Path("data/sources.yaml"), Path("data/sources"))


if __name__ == "__main__":
    stage.run(main)
