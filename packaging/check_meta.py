"""Holds META.json against what pgxn.org asks of it (its specification 1.0.0) and against the version that is released."""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERSION = re.compile(r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$")


def problems(meta, version):
    """What is wrong, a line each."""
    for field in ["name", "version", "abstract", "maintainer", "license", "provides", "meta-spec"]:
        if not meta.get(field):
            yield f"no {field}"
    if meta.get("version") != version:
        yield f"version is {meta.get('version')}, and {version} is released"
    if meta.get("meta-spec", {}).get("version") != "1.0.0":
        yield "meta-spec has no version 1.0.0"
    if not VERSION.match(meta.get("version", "")):
        yield "version is no semantic version"
    for name, provided in meta.get("provides", {}).items():
        if provided.get("version") != version:
            yield f"provides {name} of version {provided.get('version')}"
        if not (ROOT / provided.get("file", "none")).is_file():
            yield f"provides {name} by {provided.get('file')}, which is not there"
        if not (ROOT / provided.get("docfile", "README.md")).is_file():
            yield f"documents {name} in {provided.get('docfile')}, which is not there"
    for tag in meta.get("tags", []):
        if not 0 < len(tag) < 256 or "/" in tag:
            yield f"tag {tag!r}"


found = list(problems(json.loads((ROOT / "META.json").read_text()), sys.argv[1]))
for problem in found:
    print(f"META.json: {problem}", file=sys.stderr)
sys.exit(1 if found else 0)
