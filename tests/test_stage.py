"""How a stage starts, fails and is timed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stages.foundry import report, stage
from tests.conftest import ROOT


def test_a_copy_made_by_dvc_shares_the_state_of_its_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOUNDRY_STATE")
    copy = tmp_path / ".dvc/tmp/exps/tmpabc"
    copy.mkdir(parents=True)
    for folder in (tmp_path, copy):
        monkeypatch.chdir(folder)
        assert stage.state_dir() == tmp_path / ".state"


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    text = f"from stages.foundry import stage\ndef main():\n    {code}\nstage.run(main)"
    env = {"PYTHONPATH": str(ROOT), "FOUNDRY_STATE": str(folder / "state"), "PATH": "/usr/bin:/bin"}
    return subprocess.run([sys.executable, "-c", text], cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_a_users_mistake_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = run("raise stage.FoundryError('scale: 2 is not allowed')", tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: scale: 2 is not allowed\n")


def test_a_full_disk_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = run("import errno; raise OSError(errno.ENOSPC, 'No space left on device', 'data/x.jsonl')", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: the disk is full (data/x.jsonl): free space and run again\n"


def test_a_defect_of_the_code_keeps_its_traceback(tmp_path: Path) -> None:
    done = run("1 / 0", tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_timings_show_the_last_finished_run_of_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("pass", tmp_path)
    run("1 / 0", tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "state/timings.jsonl").read_text().splitlines()]
    assert [r["status"] for r in rows] == ["done", "failed"]
    assert all(r["seconds"] >= 0 and r["peak_mib"] > 1 for r in rows)
    path = tmp_path / "t.jsonl"
    mine = {"status": "done", "folder": str(tmp_path), "peak_mib": 9}
    path.write_text(
        "".join(
            json.dumps(mine | row) + "\n"
            for row in (
                {"stage": "train", "seconds": 60},
                {"stage": "train", "seconds": 120},
                {"stage": "train", "seconds": 6, "folder": "/elsewhere"},
                {"stage": "base", "seconds": 30},
                {"stage": "base", "seconds": 1, "status": "failed"},
            )
        )
    )
    monkeypatch.chdir(tmp_path)
    lines = report.timings(path).splitlines()
    assert [line.split("|")[1:3] for line in lines[2:]] == [
        [" train ", " 2.00    "],
        [" base  ", " 0.50    "],
        [" all   ", " 2.50    "],
    ]
