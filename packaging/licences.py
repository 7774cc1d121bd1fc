"""The licences of all that is linked into the library, with their texts, on standard output.

Walks what `cargo metadata` says of the root package's ordinary dependencies (those of tests and build scripts, and
procedural macros, are not in the library), and fails where a licence is not one of deny.toml's.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAMES = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)


def metadata():
    """What cargo knows of this build's packages."""
    features = ["--no-default-features", "--features", f"pg{os.environ.get('PG', '15')}"]
    platform = ["--filter-platform", f"{os.uname().machine}-unknown-linux-gnu"]
    command = ["cargo", "metadata", "--format-version", "1", "--locked", *features, *platform]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def linked(meta):
    """The packages that the library is linked from, but for the project's own."""
    packages = {package["id"]: package for package in meta["packages"]}
    nodes = {node["id"]: node for node in meta["resolve"]["nodes"]}
    waiting, seen = [meta["resolve"]["root"]], set()
    while waiting:
        node = nodes[waiting.pop()]
        if node["id"] in seen or any("proc-macro" in target["kind"] for target in packages[node["id"]]["targets"]):
            continue
        seen.add(node["id"])
        waiting += [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    return sorted((packages[i] for i in seen if packages[i]["source"]), key=lambda p: (p["name"], p["version"]))


def permitted(expression, allowed):
    """Whether an SPDX expression of OR and AND can be met by permitted licences."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def either():
        value = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            value = both() or value
        return value

    def both():
        value = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = one() and value
        return value

    def one():
        token = tokens.pop(0)
        if token == "(":
            value = either()
            tokens.pop(0)
            return value
        if tokens and tokens[0] == "WITH":
            token = f"{token} WITH {tokens.pop(0) and tokens.pop(0)}"
        return token in allowed

    return either()


def texts(package):
    """The texts that a package ships, those of the C++ that it carries too."""
    folder = pathlib.Path(package["manifest_path"]).parent
    inner = [folder / "xgboost", folder / "xgboost" / "dmlc-core"] if package["name"] == "xgboost_lib-sys" else []
    for place in [folder, *inner]:
        for path in sorted(place.iterdir()) if place.is_dir() else []:
            if path.is_file() and NAMES.match(path.name):
                yield path.name, path.read_text(encoding="utf-8", errors="replace").strip()


def main():
    allowed = set(tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]["allow"])
    packages = linked(metadata())
    refused = [p for p in packages if not (p["license"] and permitted(p["license"], allowed))]
    for package in refused:
        print(f"{package['name']} {package['version']}: {package['license']} is not permitted", file=sys.stderr)
    if refused:
        sys.exit(1)
    print("pg_folio itself: MIT. Linked into its library:\n")
    users = {}
    for package in packages:
        print(f"  {package['name']} {package['version']}: {package['license']}")
        for _, text in texts(package):
            users.setdefault(text, []).append(f"{package['name']} {package['version']}")
    print("\nxgboost_lib-sys carries XGBoost and dmlc-core (Apache-2.0). Rust's standard library: MIT OR Apache-2.0.")
    for text, names in users.items():
        print(f"\n{'-' * 100}\n{', '.join(dict.fromkeys(names))}\n\n{text}")


main()
