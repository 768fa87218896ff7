"""Report room: the score tables in Markdown, from metrics and judgments alone, and the minutes from the timings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.foundry.files import Record
from stages.foundry.params import CATEGORIES
from stages.foundry.prompts import DIFFICULTIES
from stages.foundry.scoring import extremes


def table(head: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table, padded so that it reads in a terminal too; None shows as n/a."""
    cells = [head, *[["n/a" if c is None else f"{c:.2f}" if isinstance(c, float) else str(c) for c in r] for r in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def build(
    title: str,
    rubric: tuple[str, str],
    by_path: Mapping[str, Record],
    judgments: Mapping[str, list[Record]],
    responses: Mapping[str, list[Record]],
    train: Record,
    pairs: Mapping[str, Record],
    tensors: Mapping[str, Record],
    replies: int = 5,
) -> str:
    """metrics/report.md. Same inputs, same bytes: times are not in it."""
    parts = [
        f"# {title}",
        f"Judge: {rubric[0]}, rubric {rubric[1]}: a gate for voice and integrity, not a judge of history. Scores are 1 to 10; "
        "± is the standard error clustered by prompt.",
        "## Scores by serving path",
        table(
            ["path", "overall", "±", *CATEGORIES.values(), *DIFFICULTIES, "critical", "scored", "unscored"],
            [
                [path, s["overall"], s["overall_se"], *(s[c] for c in CATEGORIES.values()), *(s[d] for d in DIFFICULTIES),
                 s["critical_failures"], s["n_scored"], s["n_unscored"]]
                for path, s in by_path.items()
            ],
        ),
        "## Training",
        table(
            ["held-out", "base", "adapter"],
            [
                ["NLL of the chosen, per token", train["heldout_nll_chosen_base"], train["heldout_nll_chosen_adapter"]],
                ["NLL of the rejected, per token", train["heldout_nll_rejected_base"], train["heldout_nll_rejected_adapter"]],
                ["reward accuracy", train["heldout_reward_accuracy_base"], train["heldout_reward_accuracy_adapter"]],
                ["margin, nats per token", train["heldout_margin_base"], train["heldout_margin_adapter"]],
            ],
        ),
        f"{train['steps']} steps over {train['pairs_train']} pairs at an effective learning rate of {train['effective_lr']:g}. "
        f"NLL of the {train['heldout_pairs']} held-out chosen responses falls by {train['heldout_nll_gain']:.3f} "
        f"(95 % interval {train['heldout_nll_gain_low']:.3f} to {train['heldout_nll_gain_high']:.3f}; paired bootstrap).",
        "## Pairs",
        table(
            ["version", "pairs", "prompts", "round dropped", "chosen words", "rejected words", "est. tokens", "rejected from"],
            [
                [v, m["pairs"], m["distinct_prompts"], m["round_dropped"], m["chosen_words"], m["rejected_words"],
                 m["estimated_tokens"], ", ".join(f"{k} {share:.0%}" for k, share in m["rejected_from"].items())]
                for v, m in pairs.items()
            ],
        ),
        "## GGUF files",
        table(
            ["path", "file", "MB", "tensors"],
            [
                [path, t["file"], t["bytes"] / 1e6, ", ".join(f"{n} {kind}" for kind, n in t["types"].items())]
                for path, t in tensors.items()
            ],
        ),
    ]  # fmt: skip
    best, worst = extremes(judgments["adapter"], 3)
    parts += ["## Best and worst answers of the adapter"]
    by_key = {(r["id"], r["sample"]): r for r in responses["adapter"]}
    for name, rows in (("Best", best), ("Worst", worst)):
        for row in rows:
            answer = by_key[row["id"], row["sample"]]
            failures = f"; critical: {'; '.join(row['critical_failures'])}" if row["critical_failures"] else ""
            parts.append(f"{name}, {row['id']}, {row['overall']:.2f}{failures}\n\n{quote(answer['response'])}")
    parts.append("## The same questions to base and adapter")
    base = {(r["id"], r["sample"]): r for r in responses["base"]}
    # Spread over the set, so that every category is likely to be seen.
    keys = sorted(by_key)[:: max(1, len(by_key) // replies)][:replies]
    for key in keys:
        parts.append(
            f"**{key[0]}** {by_key[key]['prompt']}\n\nbase\n\n{quote(base[key]['response'])}\n\n"
            f"adapter\n\n{quote(by_key[key]['response'])}"
        )
    return "\n\n".join(parts) + "\n"


def timings(path: Path) -> str:
    """The last finished run of each stage in this folder: minutes and peak memory, slowest first, and their sum."""
    last: dict[str, Record] = {}
    for line in path.read_text("utf-8").splitlines() if path.is_file() else []:
        row = json.loads(line)
        if row["status"] == "done" and row["folder"] == str(Path.cwd()):
            last[row["stage"]] = row
    rows = sorted(last.values(), key=lambda r: -r["seconds"])
    total = sum(r["seconds"] for r in rows)
    return table(
        ["stage", "minutes", "peak MiB"],
        [[r["stage"], r["seconds"] / 60, r["peak_mib"]] for r in rows] + [["all", total / 60, ""]],
    )
