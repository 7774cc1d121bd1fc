"""Remakes crates/folio-core/tests/golden/portfolio/nonlinear_shrinkage.json.

python3 -m venv venv && venv/bin/pip install numpy nonlinshrink==0.7
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 venv/bin/python bench/golden/nonlinear_shrinkage.py
"""
import csv
import json
import pathlib

import numpy as np
from nonlinshrink import shrink_cov

GOLDEN = pathlib.Path(__file__).parents[2] / "crates/folio-core/tests/golden"
rows = list(csv.reader(open(GOLDEN / "prices.csv")))[1:]
prices = np.array([[float(value) for value in row[1:]] for row in rows])
returns = prices[1:] / prices[:-1] - 1


def annual(days):
    """The lower triangle of the covariance of the newest returns: with 15 there are more tickers than returns."""
    return [list(row[: i + 1]) for i, row in enumerate(shrink_cov(returns[-days:]) * 252)]


file = GOLDEN / "portfolio/nonlinear_shrinkage.json"
file.write_text(json.dumps({
    "note": "by bench/golden/nonlinear_shrinkage.py: the package nonlinshrink; annualised, lower triangles",
    "cov": {str(days): annual(days) for days in (999, 60, 15)},
}, separators=(",", ":")) + "\n")
