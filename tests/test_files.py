"""Whole or not at all, and errors that name the line."""

from pathlib import Path

import pytest

from stages.foundry import files
from stages.foundry.stage import FoundryError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no record"),
        ('{"id": "a"}\n{"id": "b", "pro', ":2: not JSON, perhaps truncated"),
        ('{"id": "a"}\n\n{"id": "a"}\n', ":3: id 'a' already stands in line 1"),
        ('{"id": "a"}\n["b"]\n', ":2: not a JSON object"),
        ('{"id": ""}\n', ":1: 'id' is missing or empty"),
    ],
)
def test_a_faulty_jsonl_is_one_line_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(FoundryError, match=r"rows\.jsonl") as error:
        files.read_jsonl(path)
    assert said in str(error.value)


def test_samples_of_one_prompt_are_not_duplicates(tmp_path: Path) -> None:
    rows = [{"id": "a", "sample": n} for n in range(3)]
    files.write_jsonl(tmp_path / "rows.jsonl", rows)
    assert files.read_jsonl(tmp_path / "rows.jsonl") == rows


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "value.txt"
    files.write_text(path, "old")
    with pytest.raises(ZeroDivisionError), files.whole_file(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_directory_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with files.whole_directory(folder) as temporary:
        (temporary / "weights").write_text("old")
    with pytest.raises(ZeroDivisionError), files.whole_directory(folder) as temporary:
        (temporary / "weights").write_text("half")
        raise ZeroDivisionError
    assert (folder / "weights").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


def test_seeds_differ_by_prompt_and_sample_and_repeat() -> None:
    seeds = {files.seed_of(42, name, sample) for name in ("gt-01", "gt-02") for sample in (0, 1)}
    assert len(seeds) == 4
    assert files.seed_of(42, "gt-01", 0) in seeds
    assert all(0 <= seed < 2**31 for seed in seeds)
