"""Makes crates/folio-core/tests/golden/lstm.json: synthetic series, and how well Keras forecasts their last part.

Three kinds of series that a linear model can, may and cannot forecast, three draws of each, 1,000 values a draw. On the
first 800 a Keras network of 2 x 32 LSTM units is trained on windows of 60 (batch 32, 20 epochs, dropout 0.2, Adam); on
the last 200 its one-step mean squared error is taken after every epoch, in units of the training part's variance.

    pip install keras==3.15.1 jax==0.10.2 numpy
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python bench/golden/lstm.py

For each series the file has the median over the seeds of the error after the last epoch (what a user gets), and of the
lowest error of any epoch (chosen in hindsight on the held-out part itself: a bound that nobody can reach honestly). The
innovation's variance in the same units is what the true model would leave.
"""

import json
import os
import pathlib
import sys
import time

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import keras
import numpy as np

LENGTH, TRAINING, WINDOW, SEEDS = 1000, 800, 60, 5
# Draws 0 to 2 served to choose the settings of the engine's network; what is asserted is asserted on others.
FIRST_DRAW = 3
SPIN_UP = 100
OUT = pathlib.Path(__file__).parents[2] / "crates/folio-core/tests/golden/lstm.json"


def ar2(noise):
    """x(t) = 1.2 x(t-1) - 0.5 x(t-2) + e(t): a damped cycle."""
    x = np.zeros(len(noise))
    for t in range(2, len(x)):
        x[t] = 1.2 * x[t - 1] - 0.5 * x[t - 2] + noise[t]
    return x


def sine(noise):
    """sin(2 pi t / 25) + 0.5 e(t): the past 60 values have to be averaged to see it."""
    return np.sin(2 * np.pi * np.arange(len(noise)) / 25) + 0.5 * noise


def threshold(noise):
    """x(t) = 0.9 x(t-1) where x(t-1) <= 0, else -0.9 x(t-1), + e(t) (Tong's threshold autoregression, with a fold)."""
    x = np.zeros(len(noise))
    for t in range(1, len(x)):
        x[t] = -0.9 * abs(x[t - 1]) + noise[t]
    return x


KINDS = {"ar2": (ar2, 1.0), "sine": (sine, 0.5), "threshold": (threshold, 1.0)}


def draw(kind, number):
    """One series, rounded to what the file holds."""
    make, _ = KINDS[kind]
    rng = np.random.Generator(np.random.PCG64([20261123, list(KINDS).index(kind), number]))
    return np.round(make(rng.standard_normal(SPIN_UP + LENGTH))[SPIN_UP:], 5)


def keras_errors(z, seed):
    """The held-out error after each epoch, on the standardised series."""
    keras.utils.set_random_seed(seed)
    windows = np.lib.stride_tricks.sliding_window_view(z, WINDOW)[:-1, :, None].astype("float32")
    targets = z[WINDOW:].astype("float32")
    cut = TRAINING - WINDOW
    model = keras.Sequential(
        [
            keras.layers.Input((WINDOW, 1)),
            keras.layers.LSTM(32, return_sequences=True),
            keras.layers.Dropout(0.2),
            keras.layers.LSTM(32),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    held_out = (windows[cut:], targets[cut:])
    fit = model.fit(windows[:cut], targets[:cut], epochs=20, batch_size=32, validation_data=held_out, verbose=0)
    return fit.history["val_loss"]


def main():
    series = []
    for kind, (_, sigma) in KINDS.items():
        for number in range(FIRST_DRAW, FIRST_DRAW + 3):
            x = draw(kind, number)
            mean, sd = x[:TRAINING].mean(), x[:TRAINING].std()
            start = time.process_time()
            errors = np.array([keras_errors((x - mean) / sd, seed) for seed in range(SEEDS)])
            seconds = (time.process_time() - start) / SEEDS
            entry = {
                "kind": kind,
                "draw": number,
                "innovation": round(float((sigma / sd) ** 2), 5),
                "mean_forecast": round(float((((x - mean) / sd)[TRAINING:] ** 2).mean()), 5),
                "keras_last": round(float(np.median(errors[:, -1])), 5),
                "keras_best": round(float(np.median(errors.min(axis=1))), 5),
                "keras_cpu_seconds": round(seconds, 2),
            }
            print(entry, file=sys.stderr, flush=True)
            series.append(entry | {"x": x.tolist()})
    OUT.write_text(json.dumps({"training": TRAINING, "keras_seeds": SEEDS, "series": series}) + "\n")


if __name__ == "__main__":
    main()
