"""The whole graph at the smoke size, by real `dvc`, in a clone of this checkout; then variants, sharing and bad input.

The tests of this file run in order: each goes on from the clone as the one before left it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.foundry import files
from tests.conftest import ROOT

SIZE = ("base=tiny", "scale=0.03", "max_new_tokens=12", "max_steps=2", "students.v3b.max_steps=1")
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


class Clone:
    def __init__(self, folder: Path, source: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "clone", "--quiet", str(source), str(folder)], check=True)
        # Same environment as here: what an install does is tried by `make setup`, not by this.
        (folder / ".venv").symlink_to(ROOT / ".venv")

    def run(self, command: str, fails: bool = False, env: dict[str, str] | None = None) -> str:
        """Output of a shell command with the environment's tools first on PATH; asserts how it ends."""
        path = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
        settings = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MAKE", "GIT_"))}
        name = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=settings | name | {"PATH": path, "PYTHONDONTWRITEBYTECODE": ""} | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout[-6000:]
        return done.stdout

    def ran(self, output: str) -> list[str]:
        return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]

    def json(self, name: str) -> dict[str, float]:
        return files.read_json(self.folder / name)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A clone with the working tree's tracked and new files, committed, at the smoke size."""
    folder = tmp_path_factory.mktemp("graph")
    made = Clone(folder / "first", ROOT)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (made.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, made.folder / name)
    made.run("git add --all && git commit --quiet --allow-empty -m 'the working tree'")
    yield made
    shutil.rmtree(folder, ignore_errors=True)


def test_the_whole_graph_runs_at_the_smoke_size_and_then_nothing_does(clone: Clone) -> None:
    output = clone.run("dvc exp run --name smoke " + " ".join(f"-S {s}" for s in SIZE))
    assert len(clone.ran(output)) >= 40
    scores, train = clone.json("metrics/scores.json"), clone.json("metrics/train.json")
    assert scores["n_scored"] == 36
    assert scores["n_unscored"] == 0
    assert {f"overall_{p}" for p in ("base", "merged", "F16", "Q8_0", "Q5_K_M", "Q4_K_M")} <= set(scores)
    assert train["steps"] == 2
    assert train["heldout_nll_gain_low"] > 0
    sizes = {v: clone.json(f"metrics/pairs/{v}.json")["pairs"] for v in ("v1", "v3b", "v4", "v6")}
    assert sizes == {"v1": 6, "v3b": 14, "v4": 38, "v6": 45}
    assert clone.ran(clone.run("dvc repro")) == []
    clone.run("git commit --quiet --all -m baseline")


def test_the_r2_pairs_name_their_passages_and_the_voice_pairs_their_student(clone: Clone) -> None:
    rows = files.read_jsonl(clone.folder / "data/pairs/v6.jsonl")
    assert all(r["source_ids"] for r in rows if r["round"] == "r2")
    assert {r["rejected_source"] for r in rows if r["round"] == "voice"} <= {"v3b", "base", "fallback"}
    student = files.read_jsonl(clone.folder / "data/rejected/voice/v3b.jsonl")
    assert {r["engine"] for r in student} == {"llama.cpp"}
    assert (clone.folder / "models/students/v3b/merged/model.safetensors").is_file()


def test_a_new_learning_rate_runs_training_and_what_follows_it_alone(clone: Clone) -> None:
    before = clone.json("metrics/train.json")
    output = clone.run("dvc exp run -S lr=1.2e-5")
    ran = clone.ran(output)
    assert ran[0] == "train"
    assert {s.partition("@")[0] for s in ran} == {"train", "merge", "gguf", "respond", "judge", "score", "report"}
    assert not {"respond@base", "judge@base", "student@v3b"} & set(ran)
    after = clone.json("metrics/train.json")
    assert after["effective_lr"] == pytest.approx(before["effective_lr"] * 0.6)
    table = clone.run("dvc metrics diff")
    assert "metrics/train.json" in table
    assert "effective_lr" in table
    assert "1.2e-05" in clone.run("dvc exp show --no-pager --md")


def test_a_learning_rate_written_without_a_dot_is_a_number_too(clone: Clone) -> None:
    clone.run("git checkout --quiet . && dvc checkout --quiet")
    clone.run("dvc exp run -S lr=2e-5")
    assert clone.ran(clone.run("dvc repro")) == []
    output = clone.run("dvc exp run -S lr=3e-5 -S max_steps=1")
    assert clone.ran(output)[0] == "train"
    assert clone.json("metrics/train.json")["effective_lr"] == pytest.approx(3e-5 * 50)
    clone.run("git checkout --quiet . && dvc checkout --quiet")


def test_another_data_set_trains_on_that_one(clone: Clone) -> None:
    output = clone.run("dvc exp run -S dataset=v4")
    assert clone.ran(output)[0] == "train"
    train = clone.json("metrics/train.json")
    assert train["pairs_train"] + train["pairs_test"] == 38
    clone.run("git checkout --quiet . && dvc checkout --quiet")


def test_a_smoke_run_leaves_the_workspace_as_it_was(clone: Clone) -> None:
    before = clone.run("git status --porcelain")
    clone.run("make -o .venv/.stamp smoke")
    assert clone.run("git status --porcelain") == before


def test_make_gguf_lists_files_that_answer_through_their_own_template(clone: Clone) -> None:
    listed = clone.run("make -o .venv/.stamp gguf")
    for quant in ("F16", "Q8_0", "Q5_K_M", "Q4_K_M"):
        assert f"Tiny-13M-Madison-v1.0-{quant}.gguf" in listed
        from llama_cpp import Llama

        path = next((clone.folder / "models/gguf" / quant).glob("*.gguf"))
        model = Llama(str(path), n_ctx=128, verbose=False)
        answer = model.create_chat_completion([{"role": "user", "content": "Who are you?"}], max_tokens=8, seed=1)
        assert answer["usage"]["completion_tokens"] > 0
        model.close()


def test_make_report_prints_the_tables_and_the_minutes(clone: Clone) -> None:
    printed = clone.run("make -o .venv/.stamp report")
    for text in ("## Scores by serving path", "| Q4_K_M", "reward accuracy", "## Best and worst", "| stage", "| all"):
        assert text in printed


def test_what_one_clone_pushes_over_s3_another_pulls_and_has_nothing_to_run(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        for key, value in KEYS.items():
            monkeypatch.setenv(key, value)
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="foundry")
        clone.run(f"make -o .venv/.stamp remote URL=s3://foundry/madison ENDPOINT={endpoint}")
        clone.run("make -o .venv/.stamp push", env=KEYS)
        clone.run("git commit --quiet --all -m 'a remote'")
        assert "testing" not in (clone.folder / ".dvc/config").read_text()

        second = Clone(tmp_path / "second", clone.folder)
        second.run("make -o .venv/.stamp pull", env=KEYS)
        assert second.ran(second.run("dvc repro")) == []
        name = "models/adapter/adapter_model.safetensors"
        assert files.sha256(second.folder / name) == files.sha256(clone.folder / name)
    finally:
        server.stop()


def test_a_folder_is_a_remote_too(clone: Clone, tmp_path: Path) -> None:
    clone.run(f"make -o .venv/.stamp remote URL={tmp_path / 'store'}")
    clone.run("make -o .venv/.stamp push")
    assert any((tmp_path / "store").rglob("*"))
    clone.run("git checkout --quiet .dvc/config")


def replace(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("params.yaml", "scale: 0.03", "scale: 2", "params.yaml: scale: 2 is not allowed"),
        ("params.yaml", "scale: 0.03", "scale: 0", "params.yaml: scale: 0 is not allowed"),
        ("params.yaml", "scale: 0.03", "scale: 0.9", "lower scale|set scale to at most|add prompts"),
        ("params.yaml", "lr: ", "lr: x", "params.yaml: lr: 'x2e-05' is not allowed|params.yaml: lr: 'x2e-5' is not allowed"),
        ("data/sources.yaml", "sha256: 1af", "sha256: 2af", "the manifest says 2af"),
        ("data/authored/responses/v1.jsonl", '{"id": "v1-', '{"id": "lost-', "lower scale or add responses|1 lack one"),
        ("data/authored/prompts/v1.jsonl", '"}\n', '"\n', "not JSON|v1.jsonl"),
    ],
)
def test_bad_input_ends_with_one_clear_line_and_nothing_is_lost(
    clone: Clone, name: str, before: str, after: str, said: str
) -> None:
    adapter = files.sha256(clone.folder / "models/adapter/adapter_model.safetensors")
    if name.endswith("prompts/v1.jsonl"):
        path = clone.folder / name
        path.write_text(path.read_text("utf-8")[:-40], "utf-8")
    elif name.endswith("responses/v1.jsonl"):
        path = clone.folder / name
        path.write_text(path.read_text("utf-8").replace('{"id": "v1-', '{"id": "lost-'), "utf-8")
    else:
        replace(clone.folder / name, before, after)
    output = clone.run("dvc repro", fails=True)
    assert "Traceback" not in output
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, output[-3000:]
    assert any(part in errors[0] for part in said.split("|")), errors
    # DVC empties a stage's outs before it starts: what was made lies in the cache, one command away.
    clone.run(f"git checkout --quiet {name} && git checkout --quiet metrics dvc.lock && dvc checkout --quiet")
    assert files.sha256(clone.folder / "models/adapter/adapter_model.safetensors") == adapter
    assert json.loads((clone.folder / "metrics/train.json").read_text())["steps"] == 2
