"""Teachers: who writes the chosen responses. Adding one is one file here and its name in `params.Params.teacher`."""

from __future__ import annotations

from typing import Protocol

from stages.foundry.files import Record


class Teacher(Protocol):
    name: str

    def answer(self, prompts: list[Record]) -> dict[str, str]:
        """Responses by prompt id, for every prompt. Raises FoundryError where one cannot be had."""
        ...


def build(name: str, round_name: str) -> Teacher:
    from stages.foundry.teachers.authored import Authored

    return {"authored": Authored}[name](round_name)
