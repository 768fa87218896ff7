"""The authored teacher: responses committed under data/authored/responses/, looked up by prompt id."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from stages.foundry.files import Record, read_jsonl
from stages.foundry.stage import FoundryError


class Authored:
    name = "authored"

    def __init__(self, round_name: str, folder: Path = Path("data/authored/responses")) -> None:
        self.path = folder / f"{round_name}.jsonl"

    def answer(self, prompts: list[Record]) -> dict[str, str]:
        responses = {r["id"]: r["response"] for r in read_jsonl(self.path, ("id", "response"))}
        missing = [p for p in prompts if p["id"] not in responses]
        if missing:
            by_category = Counter(p["category"] for p in missing)
            counts = ", ".join(f"{n} {category}" for category, n in sorted(by_category.items()))
            names = ", ".join(p["id"] for p in missing[:5]) + (" ..." if len(missing) > 5 else "")
            raise FoundryError(
                f"{self.path}: {len(prompts) - len(missing)} of the {len(prompts)} prompts have an authored response, "
                f"{len(missing)} lack one ({counts}: {names}); lower scale or add responses"
            )
        return {p["id"]: responses[p["id"]] for p in prompts}
