"""Files room: whole or not at all, and JSONL that names the line at fault."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonlines

from stages.foundry.stage import FoundryError

Record = dict[str, Any]


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def order(key: str) -> str:
    """The place of ``key`` in every deterministic draw: its sha256, which no order of files or lines can move."""
    return hashlib.sha256(key.encode()).hexdigest()


def seed_of(seed: int, *parts: object) -> int:
    """A 31-bit seed derived from the run's seed and what it is for, written beside every sampled answer."""
    return int(order(":".join(map(str, (seed, *parts))))[:8], 16) & 0x7FFFFFFF


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` (fsync, rename) when the block ends well, and is removed else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: Path, needed_bytes: int = 0) -> Iterator[Path]:
    """Like `whole_file` for a directory. Fails before any work where the disk has less than ``needed_bytes`` free."""
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < needed_bytes:
        raise FoundryError(f"{path}: needs {needed_bytes / 1e6:,.0f} MB of disk, {free / 1e6:,.0f} MB are free")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    except Exception as error:
        # The Rust writer of safetensors raises its own type and keeps only the text of the errno.
        if "No space left" in str(error) or "os error 28" in str(error) or "File too large" in str(error):
            raise FoundryError(f"{path}: the disk is full; nothing was left half written, free space and run again") from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Indented, keys in the order given, so that a diff of two versions is readable."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_jsonl(path: Path, records: Iterable[Record]) -> None:
    with whole_file(path) as temporary, jsonlines.open(temporary, "w") as writer:
        writer.write_all(records)


def write_csv(path: Path, rows: list[Record]) -> None:
    """A table with the keys of the first row as its head, as `dvc plots` reads it."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_json(path: Path) -> Record:
    """Raises FoundryError naming the file where it is missing or is not a JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FoundryError(f"{path}: no such file") from None
    except ValueError as error:
        raise FoundryError(f"{path}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise FoundryError(f"{path}: not a JSON object")
    return value


def read_jsonl(path: Path, required: Iterable[str] = ("id",), allow_empty: bool = False) -> list[Record]:
    """All records of a JSONL file.

    Raises FoundryError naming file and line for a line that is not a JSON object (a truncated one is not), that
    lacks one of ``required`` or holds it empty, or whose ``id`` (with ``sample`` where there is one) was seen
    before; and for a file with no record at all, unless ``allow_empty``.
    """
    required = tuple(required)
    records: list[Record] = []
    seen: dict[tuple[Any, ...], int] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise FoundryError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise FoundryError(f"{path}: not UTF-8 at byte {error.start}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise FoundryError(f"{path}:{number}: not JSON, perhaps truncated ({error})") from None
        if not isinstance(record, dict):
            raise FoundryError(f"{path}:{number}: not a JSON object")
        for key in required:
            if key not in record or record[key] in ("", None, []):
                raise FoundryError(f"{path}:{number}: {key!r} is missing or empty")
        if "id" in record:
            identity = (record["id"], record.get("sample"))
            if identity in seen:
                raise FoundryError(f"{path}:{number}: id {record['id']!r} already stands in line {seen[identity]}")
            seen[identity] = number
        records.append(record)
    if not records and not allow_empty:
        raise FoundryError(f"{path}: holds no record")
    return records
