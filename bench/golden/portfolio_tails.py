"""Remakes crates/folio-core/tests/golden/portfolio/tails.json: the least CVaR and CDaR within a tracking error by CVXPY and
ECOS, all days in one program.

python3 -m venv venv && venv/bin/pip install cvxpy ecos numpy pandas
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 venv/bin/python bench/golden/portfolio_tails.py
"""
import itertools
import json
import pathlib

import cvxpy as cp
import numpy as np
import pandas as pd

GOLDEN = pathlib.Path(__file__).parents[2] / "crates/folio-core/tests/golden"
prices = pd.read_csv(GOLDEN / "prices.csv", index_col=0)
returns = prices.pct_change().dropna()
days, n = returns.shape
caps = json.loads((GOLDEN / "portfolio/black_litterman.json").read_text())["inputs"]["market_weights"]
market = np.array([caps[ticker] for ticker in prices.columns])
root = np.linalg.cholesky(returns.cov().to_numpy() * 252)


def optimum(objective, options):
    w, threshold = cp.Variable(n), cp.Variable()
    losses = -returns.to_numpy() @ w
    limits = [cp.sum(w) == 1, w >= options.get("min_weight", 0), w <= options.get("max_weight", 1),
              cp.norm(root.T @ (w - market), 2) <= options["max_tracking_error"]]
    if "max_gross" in options:
        limits.append(cp.norm1(w) <= options["max_gross"])
    if "max_turnover" in options:
        limits.append(cp.norm1(w - market) <= options["max_turnover"])
    if objective == "min_cdar":
        drawdown = cp.Variable(days, nonneg=True)
        limits += [drawdown[0] >= losses[0], drawdown[1:] >= drawdown[:-1] + losses[1:]]
        losses = drawdown
    share = (1 - options.get("confidence", 0.95)) * days
    problem = cp.Problem(cp.Minimize(threshold + cp.sum(cp.pos(losses - threshold)) / share), limits)
    problem.solve(solver=cp.ECOS, abstol=1e-11, reltol=1e-11, feastol=1e-11, max_iters=500)
    assert problem.status in ("optimal", "optimal_inaccurate"), (objective, options, problem.status)
    return problem.value, w.value


LIMITS = [
    {"max_tracking_error": 0.05},
    {"max_tracking_error": 0.03, "max_weight": 0.15},
    {"max_tracking_error": 0.06, "confidence": 0.9},
    {"max_tracking_error": 0.05, "min_weight": -0.1, "max_gross": 1.3},
    {"max_tracking_error": 0.04, "max_turnover": 0.5},
]
cases = []
for objective, options in itertools.product(["min_cvar", "min_cdar"], LIMITS):
    value, weights = optimum(objective, options)
    cases.append({"objective": objective, "options": options, "value": value, "weights": list(weights)})

(GOLDEN / "portfolio/tails.json").write_text(json.dumps({
    "note": f"by bench/golden/portfolio_tails.py: CVXPY {cp.__version__} with ECOS on the sample covariance",
    "tails": cases,
}, separators=(",", ":")) + "\n")
print(len(cases))
