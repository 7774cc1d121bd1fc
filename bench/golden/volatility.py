"""Makes crates/folio-core/tests/golden/volatility.json: GARCH models by the package arch and HAR by statsmodels' OLS, on the
log returns in percent of 20 series of prices.

    pip install arch==7.2.0 statsmodels==0.15.0 'pandas<3'
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python bench/golden/volatility.py

arch stops early by default; here every fit is done to 1e-13 and then again from where it ended, and the larger
likelihood is kept. "variances" has every 37th conditional variance, "ahead" those of the 21 steps after the last return;
of EGARCH arch has the first step only, the others are the mean over the shocks by numerical integration.
The CPU seconds of each model's fits with arch's defaults go to the standard output, not to the file.
"""

import csv
import json
import pathlib
import time

import numpy as np
import statsmodels.api as sm
from arch import arch_model
from scipy.integrate import quad
from scipy.stats import norm

GOLDEN = pathlib.Path(__file__).parents[2] / "crates/folio-core/tests/golden"
HORIZON = 21
EVERY = 37
MODELS = {
    "garch": dict(vol="GARCH", p=1, o=0, q=1, dist="normal"),
    "gjr_garch": dict(vol="GARCH", p=1, o=1, q=1, dist="normal"),
    "garch_t": dict(vol="GARCH", p=1, o=0, q=1, dist="t"),
    "egarch": dict(vol="EGARCH", p=1, o=1, q=1, dist="normal"),
}


def returns():
    rows = list(csv.reader((GOLDEN / "prices.csv").open()))
    prices = np.array([[float(value) for value in row[1:]] for row in rows[1:]])
    return rows[0][1:], 100 * np.diff(np.log(prices), axis=0)


def egarch_ahead(params, first):
    """E exp(log h(k)) by a product of integrals, one for each shock."""
    omega, alpha, gamma, beta = (params[name] for name in ("omega", "alpha[1]", "gamma[1]", "beta[1]"))
    mean = np.sqrt(2 / np.pi)
    ahead, log_part, power = [first], 0.0, 1.0
    for _ in range(HORIZON - 1):
        def shocked(z, power=power):
            return np.exp(power * (omega + alpha * (abs(z) - mean) + gamma * z)) * norm.pdf(z)
        expected = quad(shocked, -40, 0, epsabs=1e-14, epsrel=1e-13)[0] + quad(shocked, 0, 40, epsabs=1e-14, epsrel=1e-13)[0]
        log_part += np.log(expected)
        power *= beta
        ahead.append(float(np.exp(log_part + power * np.log(first))))
    return ahead


def garch(y, name):
    model = arch_model(y, mean="Constant", rescale=False, **MODELS[name])
    start = time.process_time()
    model.fit(disp="off", show_warning=False)
    seconds = time.process_time() - start
    tight = dict(disp="off", show_warning=False, options={"ftol": 1e-13, "maxiter": 2000})
    fits = [model.fit(**tight)]
    fits.append(model.fit(starting_values=fits[0].params.values, **tight))
    best = max(fits, key=lambda fit: fit.loglikelihood)
    variances = best.conditional_volatility**2
    first = float(best.forecast(horizon=1, reindex=False).variance.values[0, 0])
    if name == "egarch":
        ahead = egarch_ahead(best.params, first)
    else:
        ahead = best.forecast(horizon=HORIZON, reindex=False).variance.values[0].tolist()
    keys = {key: key.split("[")[0] for key in best.params.index}
    return seconds, {
        "parameters": {keys[key]: float(value) for key, value in best.params.items()},
        "log_likelihood": float(best.loglikelihood),
        "variances": variances[::EVERY].tolist(),
        "ahead": ahead,
    }


def har(y):
    squares = y**2
    x = np.array([[squares[t - 1], squares[t - 5 : t].mean(), squares[t - 22 : t].mean()] for t in range(22, len(y))])
    fit = sm.OLS(squares[22:], sm.add_constant(x)).fit()
    low, high = x[:, 2].min(), squares.max()
    values = squares.tolist()
    for _ in range(HORIZON):
        lags = [1, values[-1], np.mean(values[-5:]), np.mean(values[-22:])]
        values.append(float(np.clip(fit.params @ lags, low, high)))
    return {"coefficients": fit.params.tolist(), "ahead": values[len(y) :]}


def main():
    tickers, all_returns = returns()
    golden, seconds = {}, dict.fromkeys(MODELS, 0.0)
    for ticker, y in zip(tickers, all_returns.T):
        golden[ticker] = {"har": har(y)}
        for name in MODELS:
            took, golden[ticker][name] = garch(y, name)
            seconds[name] += took
    (GOLDEN / "volatility.json").write_text(json.dumps(golden, indent=1) + "\n")
    print({name: f"{1e3 * total / len(tickers):.2f} ms" for name, total in seconds.items()})


main()
