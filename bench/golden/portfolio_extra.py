"""Remakes crates/folio-core/tests/golden/portfolio/extra.json: values that no other golden file has.

python3 -m venv venv && venv/bin/pip install numpy pandas scipy pyportfolioopt==1.6.0
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 venv/bin/python bench/golden/portfolio_extra.py
"""
import json
import pathlib

import numpy as np
import pandas as pd
from scipy.optimize import linprog

GOLDEN = pathlib.Path(__file__).parents[2] / "crates/folio-core/tests/golden"
prices = pd.read_csv(GOLDEN / "prices.csv", index_col=0)
returns = prices.pct_change().dropna().to_numpy()
days, n = returns.shape

# Laloux, Cizeau, Bouchaud and Potters (1999): eigenvalues of the correlation matrix that noise explains (under the
# Marchenko-Pastur edge with the variance that the market mode leaves) become their mean; diagonal set back to one.
sample = np.cov(returns, rowvar=False)
sd = np.sqrt(np.diag(sample))
values, vectors = np.linalg.eigh(sample / np.outer(sd, sd))
edge = (1 - values[-1] / n) * (1 + np.sqrt(n / days)) ** 2
noise = values <= edge
values[noise] = values[noise].mean()
cleaned = (vectors * values) @ vectors.T
unit = np.sqrt(np.diag(cleaned))
denoised = cleaned / np.outer(unit, unit) * np.outer(sd, sd) * 252

# The least CVaR at 95 %, Rockafellar and Uryasev's linear program, by HiGHS.
share = 1 / (0.05 * days)
cost = np.r_[np.zeros(n), 1, np.full(days, share)]
rows = np.hstack([-returns, -np.ones((days, 1)), -np.eye(days)])
result = linprog(
    cost, A_ub=rows, b_ub=np.zeros(days), A_eq=[np.r_[np.ones(n), np.zeros(days + 1)]], b_eq=[1],
    bounds=[(0, 1)] * n + [(None, None)] + [(0, None)] * days, method="highs",
)
assert result.success
file = GOLDEN / "portfolio/extra.json"
file.write_text(json.dumps({
    "note": "by bench/golden/portfolio_extra.py: numpy and SciPy's HiGHS; the covariance is annualised, its lower "
            "triangle only",
    "clipped": [list(row[: i + 1]) for i, row in enumerate(denoised)],
    "noise_eigenvalues": int(noise.sum()),
    "min_cvar_95": dict(zip(prices.columns, result.x[:n])),
    "min_cvar_95_value": result.fun,
}, separators=(",", ":")) + "\n")
