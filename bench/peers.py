"""The ensemble beside the best-known Python packages: same prices, same origins, one run.

    python bench/peers.py sp500_dataset.csv forecasts.csv 6
    python bench/peers.py sp500_dataset.csv forecasts.csv 3 Theta

Needs statsforecast 2.1.1, mlforecast 1.1.0, xgboost, pandas and numpy. forecasts.csv is what the evaluation wrote
(`make evaluate`); every 6th of its origins is taken, so that the packages end in half an hour. Names after that number
choose among AutoARIMA, AutoETS, Theta and XGBoost. Each forecast is made of the log prices of the 1,000 days before it.

statsforecast's AutoARIMA, AutoETS and Theta have their own intervals. XGBoost by mlforecast learns from the daily returns
of all stocks at once (lags 1 to 5, 10 and 21, means and deviations of 5 and 21 days), forecasts step by step, and has
split conformal intervals of 10 windows of 21 days. Printed: mean absolute error relative to the last price and coverage at
1, 5 and 21 days.
"""

import collections
import csv
import sys
import time
import warnings

import numpy as np
import pandas as pd

HISTORY, HORIZON = 1000, 21
STEPS = (1, 5, 21)
LEVELS = (80, 95)


class Table:
    """Errors and coverage by name and step."""

    def __init__(self):
        self.sums = collections.defaultdict(lambda: np.zeros(2 + 1 + len(LEVELS)))
        self.seconds = collections.Counter()

    def add(self, name, step, last, forecast, bounds, actual):
        inside = [float(lower <= actual <= upper) for lower, upper in bounds]
        self.sums[name, step] += [1, abs(actual - forecast), abs(actual - last), *inside]

    def print(self):
        print("| model | n | MAE relative to naive | 80 % holds | 95 % holds | CPU s |")
        print("|---|---|---|---|---|---|")
        for name in dict.fromkeys(name for name, _ in self.sums):
            rows = [self.sums[name, step] for step in STEPS]
            cells = [" ".join(f"{row[1] / row[2]:.4f}" for row in rows)]
            cells += [" ".join(f"{100 * row[3 + i] / row[0]:.1f}" for row in rows) for i in range(len(LEVELS))]
            seconds = f"{self.seconds[name]:.0f}" if self.seconds[name] else ""
            print(f"| {name} | {rows[0][0]:.0f} | {' | '.join(cells)} | {seconds} |")


def ours(path, every, table):
    """Adds the ensemble's forecasts, and gives the dates of the origins taken."""
    with open(path) as file:
        rows = [row for row in csv.DictReader(file) if row["model"] in ("ensemble", "naive")]
    dates = sorted({row["date"] for row in rows})[::every]
    for row in rows:
        if row["date"] in dates:
            forecast, widths = float(row["forecast"]), [float(row[f"half_width_{level}"]) for level in LEVELS]
            bounds = [(forecast - width, forecast + width) for width in widths]
            name = {"ensemble": "pg_folio", "naive": "last price, pg_folio's interval"}[row["model"]]
            table.add(name, int(row["step"]), float(row["last"]), forecast, bounds, float(row["actual"]))
    return dates


def classical(window, table, score, names):
    """statsforecast's models of these names, each alone so that its time is known."""
    from statsforecast import StatsForecast
    from statsforecast.models import AutoARIMA, AutoETS, Theta

    models = {"AutoARIMA": AutoARIMA(), "AutoETS": AutoETS(model="ZZN"), "Theta": Theta()}
    for model in (models[name] for name in names if name in models):
        start = time.process_time()
        forecast = StatsForecast(models=[model], freq=1, n_jobs=1).forecast(df=window, h=HORIZON, level=list(LEVELS))
        name = f"statsforecast {model.alias}"
        table.seconds[name] += time.process_time() - start
        for ticker, rows in forecast.groupby("unique_id"):
            column = lambda suffix: rows[model.alias + suffix].to_numpy()
            bounds = [(column(f"-lo-{level}"), column(f"-hi-{level}")) for level in LEVELS]
            score(name, ticker, column(""), bounds)


def trees(window, table, score):
    """mlforecast with XGBoost on returns; a path is the sum of them."""
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean, RollingStd
    from xgboost import XGBRegressor

    start = time.process_time()
    returns = window.copy()
    returns["y"] = returns.groupby("unique_id")["y"].diff()
    returns = returns.dropna()
    rolling = [RollingMean(5), RollingMean(21), RollingStd(5), RollingStd(21)]
    model = XGBRegressor(n_estimators=100, max_depth=3, learning_rate=0.05, subsample=0.5, n_jobs=1, random_state=42)
    forecaster = MLForecast(models={"xgb": model}, freq=1, lags=[1, 2, 3, 4, 5, 10, 21], lag_transforms={1: rolling})

    def paths(until):
        forecaster.fit(returns[returns["ds"] <= until], static_features=[])
        forecast = forecaster.predict(HORIZON)
        return {ticker: rows["xgb"].to_numpy().cumsum() for ticker, rows in forecast.groupby("unique_id")}

    # Split conformal by stock: the errors of the path from ten earlier days, by one fit to what comes before them all.
    end = window["ds"].max()
    logs = {ticker: rows["y"].to_numpy() for ticker, rows in window.groupby("unique_id")}
    first = end - 10 * HORIZON
    forecaster.fit(returns[returns["ds"] <= first], static_features=[])
    errors = {ticker: [] for ticker in logs}
    for number in range(10):
        until = first + number * HORIZON
        known = returns[returns["ds"] <= until]
        forecast = forecaster.predict(HORIZON, new_df=known)
        for ticker, rows in forecast.groupby("unique_id"):
            at = len(logs[ticker]) - 1 - (end - until)
            came = logs[ticker][at + 1 : at + 1 + HORIZON] - logs[ticker][at]
            errors[ticker].append(np.abs(came - rows["xgb"].to_numpy().cumsum()))
    final = paths(end)
    table.seconds["mlforecast XGBoost"] += time.process_time() - start
    for ticker, path in final.items():
        mean = logs[ticker][-1] + path
        widths = [np.quantile(errors[ticker], level / 100, axis=0, method="higher") for level in LEVELS]
        score("mlforecast XGBoost", ticker, mean, [(mean - width, mean + width) for width in widths])


def main():
    prices, forecasts, every = sys.argv[1], sys.argv[2], int(sys.argv[3])
    names = sys.argv[4:] or ["AutoARIMA", "AutoETS", "Theta", "XGBoost"]
    warnings.filterwarnings("ignore")
    table = Table()
    dates = ours(forecasts, every, table)
    panel = np.log(pd.read_csv(prices, index_col="Date"))
    for date in dates:
        origin = panel.index.get_loc(date) + 1
        wide = panel.iloc[origin - HISTORY : origin].reset_index(drop=True)
        window = wide.melt(var_name="unique_id", value_name="y", ignore_index=False).rename_axis("ds").reset_index()

        def score(name, ticker, mean, bounds):
            came = panel[ticker].to_numpy()[origin - 1 : origin + HORIZON]
            for step in STEPS:
                at = step - 1
                table.add(name, step, came[0], mean[at], [(low[at], high[at]) for low, high in bounds], came[step])

        classical(window, table, score, names)
        if "XGBoost" in names:
            trees(window, table, score)
    print(f"{len(dates)} origins from {dates[0]} to {dates[-1]}, {len(panel.columns)} stocks\n")
    table.print()


if __name__ == "__main__":
    main()
