"""Makes crates/folio-core/tests/golden/arima.json: what statsforecast's ARIMA gives on 20 series of log prices.

    pip install statsforecast==2.1.1
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python bench/golden/arima.py

For every series: the model that AutoARIMA chooses with max_d = 1 (the engine differences at most once; the criteria of
models with different d cannot be compared), the maximum likelihood fit of a few fixed orders with its forecasts, and
the number of differences that the KPSS test wants on each of ten stretches of 100 days.

"diffuse" marks fits whose stationary variance is over 10^4 innovation variances: there statsforecast, like R's arima,
leaves the first observation out of the likelihood, so that its value cannot be compared.
The CPU seconds of AutoARIMA with its defaults go to the standard output, not to the file.
"""

import csv
import json
import pathlib
import time
import warnings

import numpy as np
import statsforecast
from scipy.signal import lfilter
from statsforecast.arima import Arima, forecast_arima, ndiffs
from statsforecast.models import AutoARIMA

GOLDEN = pathlib.Path(__file__).parents[2] / "crates/folio-core/tests/golden"
# p, d, q, constant: the mean with d = 0, the drift with d = 1
FIXED = [
    (1, 1, 1, True),
    (2, 1, 2, True),
    (0, 1, 1, False),
    (1, 0, 0, True),
    (3, 0, 1, True),
    (2, 1, 0, True),
    (0, 1, 3, True),
]

HORIZONS = (1, 2, 5, 21)


def model(fit):
    p, q, _, _, _, d, _ = fit["arma"]
    coef = fit["coef"]
    values = lambda kind, count: [float(coef[f"{kind}{i + 1}"]) for i in range(count)]
    mean = float(coef.get("drift", coef.get("intercept", 0.0)))
    return {
        "order": [p, d, q],
        "constant": "drift" in coef or "intercept" in coef,
        "ar": values("ar", p),
        "ma": values("ma", q),
        "mean": mean,
        "sigma2": float(fit["sigma2"]),
        "loglik": float(fit["loglik"]),
        "aicc": float(fit["aicc"]),
    }


def is_diffuse(fit):
    impulse = np.zeros(1_000_000)
    impulse[0] = 1
    psi = lfilter([1, *fit["ma"]], [1, *(-value for value in fit["ar"])], impulse)
    return bool(np.sum(psi**2) > 1e4)


def forecast(fit):
    """Means and standard deviations at the horizons HORIZONS."""
    # The quantile of a level of 95 % is 1.959963984540054.
    ahead = forecast_arima(fit, h=max(HORIZONS), level=[95])
    mean, upper = np.asarray(ahead["mean"]), np.asarray(ahead["upper"]).ravel()
    at = np.array(HORIZONS) - 1
    return {"mean": list(mean[at]), "sd": list((upper - mean)[at] / 1.959963984540054)}


def fixed(y, order):
    p, d, q, constant = order
    try:
        fit = Arima(y, order=(p, d, q), include_constant=constant, include_mean=constant, method="CSS-ML")
    except Exception as error:  # an order that the oracle cannot fit is left out, with its reason
        return {"order": [p, d, q], "constant": constant, "error": str(error)}
    result = model(fit)
    return result | {"diffuse": is_diffuse(result), "forecast": forecast(fit)}


def main():
    warnings.simplefilter("ignore")
    with open(GOLDEN / "prices.csv") as file:
        rows = list(csv.reader(file))
    tickers, prices = rows[0][1:], np.array([row[1:] for row in rows[1:]], dtype=float)
    series, seconds = {}, []
    for ticker, column in zip(tickers, prices.T):
        y = np.log(column)
        start = time.process_time()
        AutoARIMA(season_length=1).fit(y)
        seconds.append(time.process_time() - start)
        series[ticker] = {
            "ndiffs": int(ndiffs(y, max_d=1)),
            "ndiffs_of_stretches": [int(ndiffs(y[at : at + 100], max_d=1)) for at in range(0, len(y), 100)],
            "auto": model(AutoARIMA(season_length=1, max_d=1).fit(y).model_),
            "fixed": [fixed(y, order) for order in FIXED],
        }
        print(ticker, f"{seconds[-1]:.2f} CPU s", series[ticker]["auto"]["order"])
    print(f"CPU seconds: median {np.median(seconds):.2f}, mean {np.mean(seconds):.2f}, max {np.max(seconds):.2f}")
    golden = {
        "source": f"statsforecast {statsforecast.__version__}, bench/golden/arima.py on prices.csv, log prices",
        "horizons": HORIZONS,
    }
    lines = ",\n".join(f"{json.dumps(ticker)}: {json.dumps(value)}" for ticker, value in series.items())
    head = json.dumps(golden)[:-1]
    (GOLDEN / "arima.json").write_text(f'{head}, "series": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
