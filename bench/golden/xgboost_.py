"""Makes crates/folio-core/tests/golden/xgboost.json: what the Python package xgboost 3.4.1 predicts with the parameters
of the engine's model, on a small matrix. (Not called xgboost.py, which would be imported in place of the package.)

    pip install xgboost==3.4.1        # the version of the C++ that the crate xgboost_lib-sys 3.4.0 carries
    python bench/golden/xgboost_.py
"""

import json
import pathlib
import re

import numpy as np
import xgboost

assert xgboost.__version__ == "3.4.1"
ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS, COLUMNS, ROUNDS, SEED = 300, 8, 25, 1234

# The parameters are read from the model's source, so that they cannot drift apart.
source = (ROOT / "crates/folio-core/src/model/xgboost.rs").read_text()
block = re.search(r"const PARAMETERS: [^=]*= \[(.*?)\n\];", source, re.S).group(1)
parameters = dict(re.findall(r'\("(\w+)", "([^"]*)"\)', block)) | {"seed": SEED}
assert parameters["nthread"] == "1"

random = np.random.default_rng(7)
x = np.round(random.normal(size=(ROWS, COLUMNS)), 3).astype(np.float32)
y = np.round(0.5 * x[:, 0] - np.where(x[:, 3] > 0.4, 0.8, 0.0) + random.normal(size=ROWS), 3).astype(np.float32)
booster = xgboost.train(parameters, xgboost.DMatrix(x, label=y), num_boost_round=ROUNDS)
gain = booster.get_score(importance_type="total_gain")

golden = {
    "made_by": "bench/golden/xgboost_.py, xgboost 3.4.1",
    "parameters": parameters,
    "rounds": ROUNDS,
    "x": [float(f"{v:.3f}") for v in x.ravel()],
    "y": [float(f"{v:.3f}") for v in y],
    "predictions": [float(v) for v in booster.predict(xgboost.DMatrix(x))],
    "total_gain": [gain.get(f"f{i}", 0.0) for i in range(COLUMNS)],
}
text = json.dumps(golden)
(ROOT / "crates/folio-core/tests/golden/xgboost.json").write_text(text.replace('], "', '],\n"') + "\n")
