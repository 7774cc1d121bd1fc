"""Makes crates/folio-core/tests/golden/portfolio/dcc.json: dynamic conditional correlations of 20 stocks, computed once more.

python3 -m venv venv && venv/bin/pip install arch==7.2.0 'pandas<3' nonlinshrink==0.7
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 venv/bin/python bench/golden/dcc.py

The variances are those of the package arch, the shrinkage that of the package nonlinshrink; the recursion of the
correlations, the likelihood of all pairs and its maximum (Nelder and Mead) are written out here, a matrix a day.
"""
import csv
import json
import pathlib

import numpy as np
from arch import arch_model
from nonlinshrink import shrink_cov
from scipy.optimize import minimize

GOLDEN = pathlib.Path(__file__).parents[2] / "crates/folio-core/tests/golden"
HORIZONS = (1, 21)


def returns():
    rows = list(csv.reader(open(GOLDEN / "prices.csv")))[1:]
    prices = np.array([[float(value) for value in row[1:]] for row in rows])
    return prices[1:] / prices[:-1] - 1


def garch(r):
    """Residuals, and the variances of the steps to come, of returns as shares."""
    model = arch_model(100 * r, mean="Constant", vol="GARCH", p=1, q=1, rescale=False)
    tight = dict(disp="off", show_warning=False, options={"ftol": 1e-14, "maxiter": 5000})
    fit = model.fit(**tight)
    for _ in range(3):
        again = model.fit(starting_values=fit.params.values, **tight)
        fit = max(fit, again, key=lambda one: one.loglikelihood)
    ahead = fit.forecast(horizon=max(HORIZONS), reindex=False).variance.values[0]
    return np.asarray(fit.std_resid), ahead / 1e4


def correlation(moments):
    scale = 1 / np.sqrt(np.diag(moments))
    return moments * np.outer(scale, scale)


def path(z, target, a, b):
    """Q of every day, and of the one after the last."""
    q = target.copy()
    for row in z:
        yield q
        q = (1 - a - b) * target + a * np.outer(row, row) + b * q
    yield q


def loss(z, target, a, b):
    """Minus the mean over all pairs of the log likelihood, without its constants."""
    if a < 0 or b < 0 or a + b >= 1:
        return np.inf
    i, j = np.triu_indices(z.shape[1], 1)
    total = 0.0
    for row, q in zip(z, path(z, target, a, b)):
        r = correlation(q)[i, j]
        x, y = row[i], row[j]
        total += np.sum(np.log(1 - r**2) + (x**2 + y**2 - 2 * r * x * y) / (1 - r**2))
    return total / 2 / len(i)


def dcc(z, variances, target):
    options = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 2000}
    found = minimize(lambda x: loss(z, target, *x), [0.02, 0.93], method="Nelder-Mead", options=options)
    a, b = found.x
    *_, after = path(z, target, a, b)
    after = correlation(after)
    annual = {}
    for horizon in HORIZONS:
        total = np.zeros_like(target)
        for step in range(horizon):
            d = np.sqrt(variances[step])
            total += np.outer(d, d) * (target + (a + b) ** step * (after - target))
        annual[str(horizon)] = [row[: i + 1].tolist() for i, row in enumerate(total / horizon * 252)]
    return {"a": a, "b": b, "loss": found.fun, "cov": annual}


fits = [garch(r) for r in returns().T]
z = np.column_stack([fit[0] for fit in fits])
variances = np.column_stack([fit[1] for fit in fits])
golden = {
    "note": "by bench/golden/dcc.py; annualised, lower triangles, by horizon",
    "dcc": dcc(z, variances, correlation(z.T @ z / len(z))),
    "dcc_nl": dcc(z, variances, correlation(shrink_cov(z))),
}
print({name: (golden[name]["a"], golden[name]["b"], golden[name]["loss"]) for name in ("dcc", "dcc_nl")})
(GOLDEN / "portfolio/dcc.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
