"""Remakes crates/folio-core/tests/golden/portfolio/limits.json: limits on tracking error, leverage and turnover by
CVXPY and Clarabel, hierarchical portfolios by skfolio, whole shares by HiGHS.

python3 -m venv venv && venv/bin/pip install cvxpy numpy pandas scipy skfolio==1.12.2
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 venv/bin/python bench/golden/portfolio_limits.py
"""
import itertools
import json
import pathlib

import cvxpy as cp
import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp
from skfolio import RiskMeasure
from skfolio.cluster import HierarchicalClustering, LinkageMethod
from skfolio.optimization import HierarchicalEqualRiskContribution, MeanRisk, NestedClustersOptimization

GOLDEN = pathlib.Path(__file__).parents[2] / "crates/folio-core/tests/golden"
prices = pd.read_csv(GOLDEN / "prices.csv", index_col=0)
returns = prices.pct_change().dropna()
days, n = returns.shape
tickers = list(prices.columns)
caps = json.loads((GOLDEN / "portfolio/black_litterman.json").read_text())["inputs"]["market_weights"]
market = np.array([caps[ticker] for ticker in tickers])
# The sample covariance and compound returns, a year.
sigma = returns.cov().to_numpy() * 252
mean = ((prices.iloc[-1] / prices.iloc[0]) ** (252 / days) - 1).to_numpy()
root = np.linalg.cholesky(sigma)
RATE = 0.02


def optimum(objective, options):
    """The best weights; max_sharpe over y = k w, whose excess return is one."""
    y, k = cp.Variable(n), cp.Variable()
    sharpe = objective in ("max_sharpe", "max_diversification")
    low, high = options.get("min_weight", 0), options.get("max_weight", 1)
    limits = [cp.sum(y) == k, y >= low * k, y <= high * k]
    limits += [k >= 0] if sharpe else [k == 1]
    active = root.T @ (y - market * k)
    if "max_tracking_error" in options:
        limits.append(cp.norm(active, 2) <= options["max_tracking_error"] * k)
    if "max_gross" in options:
        limits.append(cp.norm1(y) <= options["max_gross"] * k)
    if "max_turnover" in options:
        limits.append(cp.norm1(y - market * k) <= options["max_turnover"] * k)
    risk, gain = cp.sum_squares(root.T @ y), mean @ y
    l2 = options.get("l2_penalty", 0)
    if objective == "max_sharpe":
        aim, limits = cp.Minimize(risk + l2 * cp.sum_squares(y)), [*limits, (mean - RATE) @ y == 1]
    elif objective == "max_diversification":
        aim, limits = cp.Minimize(risk), [*limits, np.sqrt(np.diag(sigma)) @ y == 1]
    elif objective == "min_volatility":
        aim = cp.Minimize(risk + l2 * cp.sum_squares(y))
    elif objective == "max_quadratic_utility":
        aim = cp.Maximize(gain - 1.25 * risk - l2 * cp.sum_squares(y))
    elif objective == "efficient_risk":
        aim = cp.Maximize(gain - l2 * cp.sum_squares(y))
        limits.append(cp.norm(root.T @ y, 2) <= options["target_volatility"])
    else:
        aim = cp.Minimize(risk + l2 * cp.sum_squares(y))
        limits.append(gain >= options["target_return"])
    problem = cp.Problem(aim, limits)
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13, max_iter=500)
    assert problem.status in ("optimal", "optimal_inaccurate"), (objective, options, problem.status)
    return y.value / k.value


OBJECTIVES = {
    "min_volatility": {}, "max_quadratic_utility": {}, "max_sharpe": {}, "max_diversification": {},
    "efficient_risk": {"target_volatility": 0.22}, "efficient_return": {"target_return": 0.25},
}
LIMITS = [
    {"max_tracking_error": 0.06},
    {"max_tracking_error": 0.06, "max_weight": 0.12},
    {"min_weight": -0.2, "max_weight": 0.3, "max_gross": 1.4},
    {"min_weight": -0.2, "max_weight": 0.3, "max_gross": 1.3, "max_turnover": 0.8},
    {"min_weight": -0.2, "max_weight": 0.3, "max_gross": 1.4, "max_tracking_error": 0.07},
    {"max_tracking_error": 0.06, "l2_penalty": 0.05},
]
cases = []
for (objective, own), limits in itertools.product(OBJECTIVES.items(), LIMITS):
    if objective == "max_diversification" and "l2_penalty" in limits:
        continue
    options = own | limits
    try:
        weights = optimum(objective, options)
    except AssertionError:
        cases.append({"objective": objective, "options": options, "weights": None})
        continue
    cases.append({"objective": objective, "options": options, "weights": list(weights)})

hierarchical = []
for k, linkage in itertools.product([2, 3, 4, 7], ["ward", "average", "complete"]):
    tree = HierarchicalClustering(max_clusters=k, linkage_method=LinkageMethod(linkage))
    herc = HierarchicalEqualRiskContribution(
        risk_measure=RiskMeasure.VARIANCE, hierarchical_clustering_estimator=tree).fit(returns)
    inner = MeanRisk(risk_measure=RiskMeasure.VARIANCE, solver="CLARABEL",
                     solver_params={"tol_gap_abs": 1e-13, "tol_gap_rel": 1e-13, "tol_feas": 1e-13})
    nco = NestedClustersOptimization(
        inner_estimator=inner, outer_estimator=inner, clustering_estimator=tree, cv="ignore").fit(returns)
    hierarchical.append({
        "options": {"clusters": k, "linkage": linkage}, "herc": list(herc.weights_), "nco": list(nco.weights_)})

# The least sum of |shares price - weight value| with the money that there is: u >= |...| as a mixed-integer program.
latest = prices.iloc[-1].to_numpy()
shares = []
rng = np.random.default_rng(1)
for value, count in itertools.product([500.0, 3_000.0, 10_000.0, 100_000.0], [5, 20]):
    weights = np.round(rng.dirichlet(np.full(count, 0.7)), 4)
    weights[0] += 1 - weights.sum()
    target, price = weights * value, latest[:count]
    eye = np.eye(count)
    rows = np.vstack([np.hstack([np.diag(price), -eye]), np.hstack([-np.diag(price), -eye]),
                      np.r_[price, np.zeros(count)]])
    upper = np.r_[target, -target, value]
    result = milp(np.r_[np.zeros(count), np.ones(count)], constraints=LinearConstraint(rows, -np.inf, upper),
                  integrality=np.r_[np.ones(count), np.zeros(count)], bounds=Bounds(0, np.inf),
                  options={"mip_rel_gap": 0, "time_limit": 60})
    assert result.status == 0, (value, count, result.message)
    shares.append({"value": value, "weights": dict(zip(tickers, weights)), "deviation": result.fun})

file = GOLDEN / "portfolio/limits.json"
file.write_text(json.dumps({
    "note": "by bench/golden/portfolio_limits.py: CVXPY with Clarabel on the sample covariance and compound returns, "
            "risk-free rate 0.02; null where it finds no portfolio; skfolio 1.12.2; SciPy's HiGHS",
    "limits": cases, "hierarchical": hierarchical, "whole_shares": shares,
}, separators=(",", ":")) + "\n")
print(len(cases), sum(case["weights"] is None for case in cases))
