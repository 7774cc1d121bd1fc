"""Makes crates/folio-core/tests/golden/arima.json: what statsforecast's ARIMA gives on 20 series of log prices.

    pip install statsforecast==2.1.1
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python bench/golden/arima.py

For every series: the model that AutoARIMA chooses with max_d = 1 (the engine differences at most once; the criteria of
models with different d cannot be compared), and the maximum likelihood fit of a few fixed orders.
The CPU seconds of AutoARIMA with its defaults go to the standard output, not to the file.
"""

import csv
import json
import pathlib
import time
import warnings

import numpy as np
import statsforecast
from statsforecast.arima import Arima, ndiffs
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


def fixed(y, order):
    p, d, q, constant = order
    try:
        fit = Arima(y, order=(p, d, q), include_constant=constant, include_mean=constant, method="CSS-ML")
    except Exception as error:  # an order that the oracle cannot fit is left out, with its reason
        return {"order": [p, d, q], "constant": constant, "error": str(error)}
    return model(fit)


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
            "auto": model(AutoARIMA(season_length=1, max_d=1).fit(y).model_),
            "fixed": [fixed(y, order) for order in FIXED],
        }
        print(ticker, f"{seconds[-1]:.2f} CPU s", series[ticker]["auto"]["order"])
    print(f"CPU seconds: median {np.median(seconds):.2f}, mean {np.mean(seconds):.2f}, max {np.max(seconds):.2f}")
    golden = {
        "source": f"statsforecast {statsforecast.__version__}, bench/golden/arima.py on prices.csv, log prices",
        "series": series,
    }
    (GOLDEN / "arima.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
