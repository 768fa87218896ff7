"""The authored teacher."""

from pathlib import Path

import pytest

from stages.foundry import files
from stages.foundry.stage import FoundryError
from stages.foundry.teachers.authored import Authored


def test_a_prompt_without_an_authored_response_is_counted_by_category(tmp_path: Path) -> None:
    files.write_jsonl(tmp_path / "v1.jsonl", [{"id": "a", "response": "text"}])
    asked = [{"id": n, "category": "ground_truth"} for n in ("a", "b", "c")]
    with pytest.raises(FoundryError, match=r"1 of the 3 prompts .* 2 lack one \(2 ground_truth: b, c\); lower scale"):
        Authored("v1", tmp_path).answer(asked)
    assert Authored("v1", tmp_path).answer(asked[:1]) == {"a": "text"}


def test_an_empty_authored_response_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "v1.jsonl").write_text('{"id": "a", "response": ""}\n')
    with pytest.raises(FoundryError, match=r"v1\.jsonl:1: 'response'"):
        Authored("v1", tmp_path).answer([])
