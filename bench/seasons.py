"""statsforecast on the series of `examples/seasons.rs`: mean MASE and CPU time by frequency and model.

    python bench/seasons.py series.csv MSTL,AutoTheta,AutoETS,AutoARIMA,SeasonalNaive

Needs statsforecast 2.1.1 and numpy. series.csv has the columns frequency, series, part (train or test), i and value. Each
model forecasts the test part from the end of the training part, with the season of the frequency given (MSTL: all of them,
the others the shortest), on one thread (set OMP_NUM_THREADS=1). The first series of a model counts its compilation.
"""

import collections
import csv
import sys
import time
import warnings

import numpy as np
from statsforecast.models import MSTL, AutoARIMA, AutoETS, AutoTheta, SeasonalNaive

SEASONS = {"hourly": [24, 168], "weekly": [52], "monthly": [12], "quarterly": [4], "daily": [7]}
MODELS = {
    "MSTL": lambda seasons: MSTL(season_length=seasons),
    "AutoARIMA": lambda seasons: AutoARIMA(season_length=seasons[0]),
    "AutoETS": lambda seasons: AutoETS(season_length=seasons[0]),
    "AutoTheta": lambda seasons: AutoTheta(season_length=seasons[0]),
    "SeasonalNaive": lambda seasons: SeasonalNaive(season_length=max(seasons)),
}


def read(path):
    series = collections.defaultdict(lambda: {"train": [], "test": []})
    with open(path) as file:
        for row in csv.DictReader(file):
            series[row["frequency"], row["series"]][row["part"]].append(float(row["value"]))
    return series


def main(path, names):
    warnings.filterwarnings("ignore")
    sums = collections.defaultdict(lambda: np.zeros(3))
    for (frequency, series), parts in sorted(read(path).items()):
        train, test = np.array(parts["train"]), np.array(parts["test"])
        seasons = SEASONS.get(frequency, [1])
        scale = np.mean(np.abs(train[seasons[0] :] - train[: -seasons[0]]))
        for name in names:
            start = time.process_time()
            try:
                forecast = MODELS[name](seasons).forecast(y=train, h=len(test))["mean"]
            except Exception as error:
                print(f"{frequency} {series} {name}: {error}", file=sys.stderr)
                continue
            seconds = time.process_time() - start
            sums[frequency, name] += [1, np.mean(np.abs(forecast - test)) / scale, seconds]
    print("| frequency | model | series | mean MASE | CPU s |")
    print("|---|---|---|---|---|")
    for (frequency, name), (count, mase, seconds) in sums.items():
        print(f"| {frequency} | {name} | {count:.0f} | {mase / count:.4f} | {seconds:.1f} |")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2].split(","))
