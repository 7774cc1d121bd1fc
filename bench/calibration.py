"""How the constants of crates/folio-core/src/forecast/interval.rs were chosen that concern the last price's errors, with a
normal quantile in place of Student's; prints the table of docs/calibration.md.

    pip install numpy
    pip download --no-deps skfolio==1.12.2 && unzip -j skfolio-*.whl skfolio/datasets/data/sp500_dataset.csv.gz
    OMP_NUM_THREADS=1 python bench/calibration.py sp500_dataset.csv.gz
    OMP_NUM_THREADS=1 python bench/calibration.py sp500_dataset.csv.gz layouts

With `layouts` it prints instead how the coverage of what was chosen depends on the day on which months begin, over all
21 such days: docs/evaluation.md. Without a path the data set is taken from the installed package skfolio. It has 20 US stocks, 1990 to 2022, chosen by
somebody who knew that they would survive; it is not shipped here.

Of the log price y, the score of an origin o (the first day that is not known) at step h is

    |y[o+h-1] - y[o-1]| / s(o, h),    s(o, h)^2 = h v + (e(o)^2 - v) (1 - phi^h) / (1 - phi)

with the exponentially weighted variance e(o)^2, the history's mean square v, and the daily reversion phi; without a
reversion s^2 = h e^2, and of constant volatility s^2 = h v. The half-width at a level is the quantile of the history's
scores (rank ceil((n + 1) level), Lei et al. 2018) times the s of today. A history of n days has n / h independent blocks;
the quantile weighs that many against NORMAL_BLOCKS of the normal one.

Origins lie max(h, 21) days apart, so that outcomes do not overlap, from the 2,000th day on for every candidate, so that
all are compared on the same forecasts. Nothing after an origin is read: the weighted variance starts with its history.

Reported per step and level: the share of outcomes inside, and the mean interval score (Gneiting & Raftery 2007, formula
43) of the log price in percent: the width plus 2 / (1 - level) times the miss. The score is what is minimised; the
coverage says whether the interval holds what it promises.
"""

import csv
import gzip
import statistics
import sys
from dataclasses import dataclass, replace

import numpy as np

STEPS = (1, 5, 21, 63)
LEVELS = (0.80, 0.95)
FIRST_ORIGIN = 2000
MIN_STRIDE = 21
WARM_UP = 30


@dataclass(frozen=True)
class Candidate:
    """One way to scale and calibrate; decay None is a constant volatility, reversion None is none."""

    decay: float | None = 0.94
    reversion: float | None = 0.95
    normal_blocks: float = 10
    history: int = 1000

    def label(self):
        volatility = "constant" if self.decay is None else f"{self.decay:.2f}"
        reversion = "-" if self.reversion is None else f"{self.reversion:.2f}"
        return f"| {volatility} | {reversion} | {self.normal_blocks:g} | {self.history} |"


CHOSEN = Candidate()
CANDIDATES = [
    replace(CHOSEN, decay=None, reversion=None),
    replace(CHOSEN, reversion=None),
    replace(CHOSEN, decay=0.97, reversion=None),
    replace(CHOSEN, reversion=0.98),
    replace(CHOSEN, decay=0.97, reversion=0.98),
    replace(CHOSEN, decay=0.97),
    replace(CHOSEN, normal_blocks=0),
    replace(CHOSEN, normal_blocks=20),
    replace(CHOSEN, history=500),
    replace(CHOSEN, history=2000),
    CHOSEN,
]


def log_prices(path):
    """The log prices, a row a day and a column a stock."""
    if path is None:
        from skfolio.datasets import load_sp500_dataset

        return np.log(load_sp500_dataset().to_numpy())
    opened = gzip.open(path, "rt") if path.endswith(".gz") else open(path)
    with opened as file:
        rows = list(csv.reader(file))[1:]
    return np.log(np.array([row[1:] for row in rows], dtype=float))


def weighted_variance(y, decay, mean):
    """The variance that each origin 0, 1, ..., len(y) knows; the first two have seen no change."""
    variance = np.empty((len(y) + 1, y.shape[1]))
    variance[:2] = mean
    for day, change in enumerate(np.diff(y, axis=0), start=2):
        variance[day] = decay * variance[day - 1] + (1 - decay) * change**2
    return variance


def expected(candidate, variance, mean, step):
    """The standard deviation expected of the change over `step` days."""
    if candidate.decay is None:
        return np.sqrt(step * mean) * np.ones_like(variance)
    if candidate.reversion is None:
        return np.sqrt(step * variance)
    decayed = (1 - candidate.reversion**step) / (1 - candidate.reversion)
    return np.sqrt(np.maximum(step * mean + (variance - mean) * decayed, 0))


def half_widths(candidate, y):
    """Half-widths from the history y: {(step, level): an array over the stocks}."""
    mean = (np.diff(y, axis=0) ** 2).mean(axis=0)
    variance = weighted_variance(y, candidate.decay or 1.0, mean)
    widths = {}
    for step in STEPS:
        scale = expected(candidate, variance, mean, step)
        origins = np.arange(WARM_UP, len(y) - step + 1)
        scores = np.sort(np.abs(y[origins + step - 1] - y[origins - 1]) / scale[origins], axis=0)
        blocks = len(origins) / step
        for level in LEVELS:
            rank = min(len(origins), int(np.ceil((len(origins) + 1) * level)))
            normal = statistics.NormalDist().inv_cdf(0.5 + level / 2)
            quantile = blocks * scores[rank - 1] + candidate.normal_blocks * normal
            widths[step, level] = quantile / (blocks + candidate.normal_blocks) * scale[-1]
    return widths


def evaluate(candidate, y):
    """{(step, level): (coverage, interval score)}, both in percent."""
    found = {(step, level): ([], []) for step in STEPS for level in LEVELS}
    for origin in range(FIRST_ORIGIN, len(y) - min(STEPS) + 1, MIN_STRIDE):
        widths = half_widths(candidate, y[origin - candidate.history : origin])
        for (step, level), (inside, score) in found.items():
            overlaps = (origin - FIRST_ORIGIN) % max(step, MIN_STRIDE) != 0
            if overlaps or origin + step > len(y):
                continue
            error, width = np.abs(y[origin + step - 1] - y[origin - 1]), widths[step, level]
            inside.append(error <= width)
            score.append(2 * width + 2 / (1 - level) * np.maximum(error - width, 0))
    return {key: (100 * np.mean(inside), 100 * np.mean(score)) for key, (inside, score) in found.items()}


def layouts(y):
    """Prints the coverage over every origin, and the least and the largest over origins MIN_STRIDE days apart."""
    inside = {(step, level): [] for step in STEPS for level in LEVELS}
    for origin in range(CHOSEN.history, len(y) - MIN_STRIDE + 1):
        widths = half_widths(CHOSEN, y[origin - CHOSEN.history : origin])
        for (step, level), shares in inside.items():
            if step <= MIN_STRIDE:
                error = np.abs(y[origin + step - 1] - y[origin - 1])
                shares.append(100 * (error <= widths[step, level]).mean())
    for (step, level), shares in inside.items():
        if shares:
            by_layout = [np.mean(shares[start::MIN_STRIDE]) for start in range(MIN_STRIDE)]
            least, largest = min(by_layout), max(by_layout)
            print(f"{step} d, {level:.0%}: {np.mean(shares):.1f}, from {least:.1f} to {largest:.1f}")


def main():
    y = log_prices(sys.argv[1] if len(sys.argv) > 1 else None)
    if sys.argv[2:] == ["layouts"]:
        return layouts(y)
    columns = " | ".join(f"{step} d, {level:.0%}" for step in STEPS for level in LEVELS)
    print(f"| decay | reversion | NORMAL_BLOCKS | history | {columns} |")
    print("|---" * (4 + len(STEPS) * len(LEVELS)) + "|")
    for candidate in CANDIDATES:
        cells = " | ".join(f"{coverage:.1f} / {score:.2f}" for coverage, score in evaluate(candidate, y).values())
        print(candidate.label(), cells, "|", flush=True)


if __name__ == "__main__":
    main()
