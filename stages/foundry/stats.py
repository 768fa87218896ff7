"""Stats room: standard errors clustered by prompt and paired bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np


def mean_and_se(by_prompt: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Mean over prompts of each prompt's mean, and its standard error with the prompt as the cluster.

    With equal samples a prompt this is the clustered standard error of the plain mean. The error is nan below two
    prompts.
    """
    means = [sum(values) / len(values) for values in by_prompt.values()]
    n = len(means)
    centre = sum(means) / n
    if n < 2:
        return centre, math.nan
    variance = sum((m - centre) ** 2 for m in means) / (n - 1)
    return centre, math.sqrt(variance / n)


def paired_bootstrap(
    after: Sequence[float], before: Sequence[float], seed: int, draws: int = 10_000
) -> tuple[float, float, float]:
    """(mean of after - before, lower, upper) with the 95 % percentile interval over prompts."""
    difference = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(difference), size=(draws, len(difference)))
    low, high = np.percentile(difference[picks].mean(axis=1), [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)
