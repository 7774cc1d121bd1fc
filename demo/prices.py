"""Remakes prices.csv.gz and index.csv.gz from the data set that the PyPI package skfolio ships.

pip download --no-deps skfolio && python demo/prices.py skfolio-*.whl

The data set lies in the wheel, so nothing is installed and nothing else is downloaded.
"""

import csv
import gzip
import io
import sys
import zipfile
from pathlib import Path

DAYS = 1000
DATA_SETS = {"prices.csv.gz": "sp500_dataset", "index.csv.gz": "sp500_index"}


def read(wheel, name):
    """The last DAYS rows of a data set: its header and its rows, dates first."""
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read(f"skfolio/datasets/data/{name}.csv.gz")
    header, *rows = csv.reader(io.StringIO(gzip.decompress(packed).decode()))
    return header, rows[-DAYS:]


def write(path, header, rows):
    """One line per ticker and day. `repr` is the shortest text that reads back as the same double."""
    lines = ["ticker,ts,close"]
    for column, ticker in enumerate(header[1:], 1):
        lines += [f"{ticker},{row[0]},{float(row[column])!r}" for row in rows]
    # No file name and no time in the header: the same prices are the same bytes.
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    for file, name in DATA_SETS.items():
        write(Path(__file__).with_name(file), *read(sys.argv[1], name))
