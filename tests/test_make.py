"""The Makefile: checks first, with one clear line; and the README's commands all exist."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


def make(folder: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    if path is not None:
        env["PATH"] = path
    return subprocess.run(["make", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_help_is_the_default_and_lists_every_verb() -> None:
    listed = make(ROOT).stdout
    for verb in ("setup", "repro", "smoke", "test", "gguf", "exp", "diff", "report", "remote", "push", "pull", "clean"):
        assert f"make {verb} " in listed


@pytest.mark.parametrize(
    ("missing", "said"),
    [("cmake", "apt-get install cmake"), ("cc", "build-essential"), ("c++", "build-essential"), ("git", "git")],
)
def test_a_missing_tool_is_one_line_before_anything_is_installed(tmp_path: Path, missing: str, said: str) -> None:
    """A PATH of links to what is there, without the one."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "sh", "awk", "python3", "git", "cmake", "cc", "c++", "env", "test", "make", "touch"):
        found = shutil.which(name)
        if name != missing and found:
            (tools / name).symlink_to(found)
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    done = make(tmp_path, "setup", path=str(tools))
    assert done.returncode != 0
    first = done.stderr.splitlines()[0]
    assert first.startswith(f"error: {missing} is missing")
    assert said in first
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(("verb", "said"), [("exp", "LR is missing"), ("remote", "URL is missing")])
def test_a_verb_without_its_variable_says_how_to_call_it(verb: str, said: str) -> None:
    done = make(ROOT, "-o", ".venv/.stamp", verb)
    assert done.returncode != 0
    assert said in done.stderr


def test_every_command_of_the_readme_is_a_verb_or_runs_in_the_graph_test() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    graph = (ROOT / "tests/test_graph.py").read_text("utf-8")
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [line.strip() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert len(commands) >= 10
    for command in (re.sub(r"\s+#.*", "", c) for c in commands if c and not c.startswith("#")):
        if command.startswith("make "):
            assert command.split()[1] in verbs, command
        elif command.startswith("dvc "):
            assert command in graph, command
        else:
            assert command.split()[0] in ("git", "cd", "source", "export", "sudo"), command


def test_requirements_are_pinned_exactly() -> None:
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9.\-]+(\[[a-z]+\])?==[\w.]+", line), line
