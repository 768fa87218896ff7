"""Stage room: how a stage script starts, fails and is timed."""

from __future__ import annotations

import argparse
import errno
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class FoundryError(Exception):
    """A user's mistake, or something the machine lacks: shown as one line, exit code 1, no traceback."""


def arguments(doc: str | None, **positional: Sequence[str]) -> argparse.Namespace:
    """Parse positional arguments, each given with its allowed values."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, allowed in positional.items():
        parser.add_argument(name, choices=list(allowed))
    return parser.parse_args()


def flag(doc: str | None, name: str, text: str) -> bool:
    """Parse one optional ``--name``."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument(f"--{name}", action="store_true", help=text)
    return bool(getattr(parser.parse_args(), name))


def state_dir() -> Path:
    """Folder of what must outlive a stage: downloads, checkpoints, timings.

    ``$FOUNDRY_STATE``, else ``.state/`` of the main checkout: ``dvc exp run --temp`` and ``--queue`` run stages in
    ``<checkout>/.dvc/tmp/exps/<name>``, whose own ``.state/`` would vanish with it. (Asking ``dvc cache dir`` tells
    the same and costs a second a stage.)
    """
    here = Path.cwd()
    for parent in here.parents:
        if parent.parts[-3:] == (".dvc", "tmp", "exps"):
            here = Path(*parent.parts[:-3])
            break
    path = Path(os.environ.get("FOUNDRY_STATE") or here / ".state")
    path.mkdir(parents=True, exist_ok=True)
    return path


def run(main: Callable[[], None]) -> None:
    """Run a stage: record its time and peak memory, and turn a user's mistake into one line and exit code 1."""
    started, clock = time.time(), time.perf_counter()
    status = "failed"
    try:
        main()
        status = "done"
    except FoundryError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: interrupted; what was finished is kept, run the same command again", file=sys.stderr)
    except OSError as error:
        # safetensors reports a full disk as its own error type with the text only, see files.whole_directory.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        print(f"error: the disk is full ({error.filename or Path.cwd()}): free space and run again", file=sys.stderr)
    finally:
        row = {
            "stage": " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]]),
            "status": status,
            "folder": str(Path.cwd()),
            "started": int(started),
            "seconds": round(time.perf_counter() - clock, 2),
            # ru_maxrss is in KiB on Linux.
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        # One short write to a file opened for appending: two stages at once do not mix their lines.
        with (state_dir() / "timings.jsonl").open("a", encoding="utf-8") as timings:
            timings.write(json.dumps(row) + "\n")
    if status != "done":
        sys.exit(1)
