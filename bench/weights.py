"""Other weights for the ensemble's members, on the forecasts that the evaluation wrote.

    cargo run --release -p folio-core --example evaluate -- sp500_dataset.csv 7 forecasts.csv
    python bench/weights.py forecasts.csv

Needs numpy. Prints the mean absolute and the root mean squared error of the log price relative to the last price, at 1, 5
and 21 days, for the years before 2007 (to choose on) and from 2007 on (to check). `relative_mae` is a member's validated
error, which the ensemble knew at the origin.
"""

import collections
import csv
import sys

import numpy as np

MEMBERS = ("naive", "drift", "theta", "arima", "ets", "xgboost", "lstm", "ridge")
STEPS = (1, 5, 21)
CHECK_FROM = 2007


def read(path):
    """Arrays over the forecasts that every member made: year, step, last, actual, and a column a member of the rest."""
    rows = collections.defaultdict(dict)
    with open(path) as file:
        for row in csv.DictReader(file):
            rows[row["date"], row["ticker"], int(row["step"])][row["model"]] = row
    rows = {key: models for key, models in rows.items() if all(member in models for member in MEMBERS)}

    def columns(name):
        return np.array([[float(models[member][name]) for member in MEMBERS] for models in rows.values()])

    def first(name):
        return np.array([float(models["naive"][name]) for models in rows.values()])

    years = np.array([int(date[:4]) for date, _, _ in rows])
    steps = np.array([step for _, _, step in rows])
    return years, steps, first("last"), first("actual"), columns("forecast"), columns("weight"), columns("relative_mae")


def candidates(forecasts, weights, validated):
    """The combined forecast of each way to weigh."""

    def combine(scores):
        return (scores * forecasts).sum(axis=1) / scores.sum(axis=1)

    yield "as it is", combine(weights)
    yield "equal", forecasts.mean(axis=1)
    for power in (2, 4, 8):
        yield f"relative MAE ^ -{power}", combine(validated**-power)
    for limit in (1.01, 1.02, 1.05, 1.1):
        yield f"relative MAE up to {limit}", combine((validated <= limit).astype(float))
    for left_out in MEMBERS:
        yield f"without {left_out}", combine(np.ones_like(forecasts) * [member != left_out for member in MEMBERS])
    yield "median", np.median(forecasts, axis=1)
    yield "without the extremes", np.sort(forecasts, axis=1)[:, 1:-1].mean(axis=1)


def main():
    years, steps, last, actual, *columns = read(sys.argv[1])
    print(f"{len(years)} forecasts: MAE / RMSE at 1, 5, 21 days before {CHECK_FROM} | from then on")
    for name, forecast in candidates(*columns):
        halves = []
        for half in (years < CHECK_FROM, years >= CHECK_FROM):
            cells = []
            for step in STEPS:
                at = half & (steps == step)
                own, naive = (actual - forecast)[at], (actual - last)[at]
                mae = np.abs(own).sum() / np.abs(naive).sum()
                cells.append(f"{mae:.4f} / {np.sqrt((own**2).sum() / (naive**2).sum()):.4f}")
            halves.append("  ".join(cells))
        print(f"{name:24}", " | ".join(halves))


if __name__ == "__main__":
    main()
