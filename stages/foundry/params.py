"""Params room: params.yaml, read in one place by one YAML 1.2 loader into one typed model.

YAML 1.2 matters: ``dvc exp run -S lr=2e-5`` writes ``lr: 2e-05``, which YAML 1.1 (PyYAML) reads as text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stages.foundry.stage import FoundryError

CATEGORIES = {
    "anachronism_trap": "AT",
    "character_consistency": "CC",
    "ground_truth": "GT",
    "position_discrimination": "PD",
    "private_voice": "PV",
    "verified_response": "VR",
}
ROUNDS = ("v1", "v3b", "voice", "r2")
VERSIONS = ("v1", "v3b", "v4", "v6")
QUANTS = ("F16", "Q8_0", "Q5_K_M", "Q4_K_M")
PATHS = ("base", "adapter", "merged", *QUANTS)

Category = Literal[
    "anachronism_trap",
    "character_consistency",
    "ground_truth",
    "position_discrimination",
    "private_voice",
    "verified_response",
]
RoundName = Literal["v1", "v3b", "voice", "r2"]
Version = Literal["v1", "v3b", "v4", "v6"]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=0.01)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Base(_Block):
    source: str
    revision: str | None
    sha256: str | None
    licence: str
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9.]+$")]
    size_label: Annotated[str, Field(pattern=r"^\d+(\.\d+)?[KMB]$")]
    chat_format: Literal["chatml", "gemma"]
    template_options: dict[str, bool | str]
    dtype: Literal["bfloat16", "float32"]
    lr_scale: PositiveFloat
    beta_scale: PositiveFloat
    epochs: PositiveFloat
    max_length: Annotated[int, Field(ge=64)]
    max_new_tokens: PositiveInt


class Round(_Block):
    counts: dict[Category, Annotated[int, Field(ge=0)]]
    kept: PositiveInt
    copies: PositiveInt

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Filters(_Block):
    min_words: PositiveInt
    max_words: PositiveInt
    near_duplicate: Share
    eval_overlap: Share


class Training(_Block):
    batch_size: PositiveInt
    accumulation: PositiveInt
    max_grad_norm: PositiveFloat
    warmup: Share
    weight_decay: Annotated[float, Field(ge=0)]
    dropout: Share
    test_share: Annotated[float, Field(gt=0, lt=1)]
    save_steps: PositiveInt


class Student(_Block):
    """How a model is trained."""

    dataset: Version
    objective: Literal["orpo"]
    lr: Rate
    beta: PositiveFloat
    rank: Annotated[int, Field(ge=1, le=512)]
    alpha: PositiveInt
    epochs: PositiveFloat | None
    max_steps: PositiveInt | None


class Generation(_Block):
    temperature: PositiveFloat
    top_k: PositiveInt
    top_p: Annotated[float, Field(gt=0, le=1)]
    batch_size: PositiveInt


class Weights(_Block):
    voice_authenticity: Share
    rhetorical_pattern: Share
    historical_accuracy: Share
    position_fidelity: Share
    character_integrity: Share

    @model_validator(mode="after")
    def sum_to_one(self) -> Weights:
        total = sum(self.model_dump().values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the five weights sum to {total:g}, allowed: exactly 1")
        return self


class Judging(_Block):
    weights: Weights
    max_unscored: Share


class Export(_Block):
    converter: str
    converter_sha256: str
    version: Annotated[str, Field(pattern=r"^v\d+(\.\d+)*$")]


class Params(Student):
    """params.yaml: the candidate recipe, whose keys are those of a student's, and the tables that it names."""

    character: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    base: str
    seed: Annotated[int, Field(ge=0)]
    scale: Annotated[float, Field(gt=0, le=1)]
    teacher: Literal["authored"]
    judge: Literal["offline"]
    samples: Annotated[int, Field(ge=1, le=100)]
    max_new_tokens: PositiveInt | None
    bases: dict[str, Base]
    rounds: dict[RoundName, Round]
    filters: Filters
    training: Training
    students: dict[Literal["v3b"], Student]
    generation: Generation
    judging: Judging
    export: Export

    @model_validator(mode="after")
    def names_exist(self) -> Params:
        if self.base not in self.bases:
            raise ValueError(f"base: {self.base!r} is not allowed; allowed: {', '.join(self.bases)}")
        if missing := [r for r in ROUNDS if r not in self.rounds]:
            raise ValueError(f"rounds: {', '.join(missing)} missing; needed: {', '.join(ROUNDS)}")
        return self

    @property
    def chosen_base(self) -> Base:
        return self.bases[self.base]

    @property
    def new_tokens(self) -> int:
        return self.max_new_tokens or self.chosen_base.max_new_tokens

    @property
    def constitution(self) -> Path:
        return Path("data/constitution") / f"{self.character}.md"

    def recipe(self) -> Student:
        """The candidate recipe: the keys at the top of params.yaml that ``-S`` varies."""
        return Student(**{key: getattr(self, key) for key in Student.model_fields})


_BLOCKS: dict[str, type[_Block]] = {
    "bases": Base,
    "rounds": Round,
    "filters": Filters,
    "training": Training,
    "students": Student,
    "generation": Generation,
    "judging": Judging,
    "export": Export,
}


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"] if part not in ("float", "int", "constrained-float"))
        if item["type"] == "extra_forbidden":
            block = _BLOCKS.get(str(item["loc"][0]) if len(item["loc"]) > 1 else "", Params)
            allowed = ", ".join(block.model_fields)
            lines.append(f"{key}: unknown key, with value {item['input']!r}; allowed: {allowed}")
        elif item["type"] == "missing":
            lines.append(f"{key}: missing")
        elif item["type"] == "value_error":
            lines.append(f"{key + ': ' if key else ''}{item['ctx']['error']}")
        else:
            allowed = item["msg"][0].lower() + item["msg"][1:]
            lines.append(f"{key}: {item['input']!r} is not allowed; {allowed}")
    # A union reports each of its branches: the first says enough.
    unique: dict[str, str] = {}
    for line in lines:
        unique.setdefault(line.split(":")[0], line)
    return "; ".join(unique.values())


def parse(text: str, name: str = "params.yaml") -> Params:
    """Parse YAML 1.2 text. Raises FoundryError naming the key, the value and what is allowed."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        values: Any = YAML(typ="safe", pure=False).load(text)
    except YAMLError as error:
        raise FoundryError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise FoundryError(f"{name}: holds no table of params")
    try:
        return Params(**values)
    except ValidationError as error:
        raise FoundryError(f"{name}: {_explain(error)}") from None


def load(path: Path = Path("params.yaml")) -> Params:
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise FoundryError(f"{path}: no such file; run from the root of the repository") from None
