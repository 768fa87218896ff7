"""Real parts for the tests: the tiny base (random weights, the real tokenizer), built once a session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stages.foundry import params
from stages.foundry.params import Params

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state of the session's own; downloads are shared with the checkout's."""
    folder = tmp_path_factory.mktemp("state")
    shared = Path(os.environ.get("FOUNDRY_STATE", ROOT / ".state")) / "packages"
    shared.mkdir(parents=True, exist_ok=True)
    (folder / "packages").symlink_to(shared)
    os.environ["FOUNDRY_STATE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def defaults() -> Params:
    return params.load(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, defaults: Params, state: Path) -> Path:
    """models/base of the smoke size."""
    from stages.foundry import base

    folder = tmp_path_factory.mktemp("models") / "tiny"
    base.build(defaults.bases["tiny"], folder)
    return folder
