"""Loads the dashboard of this folder into Superset: load.py FOLDER DATABASE_URI USER.

`superset import-dashboards` leaves charts and datasets that are there as they are. This overwrites them, so that a
change of a file shows, and fills in where the database is.
"""

import sys
from pathlib import Path

import yaml
from flask import g
from superset.app import create_app


def contents(folder: Path, database_uri: str) -> dict[str, str]:
    """The files by their names in the folder, as the import wants them."""
    files = {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*.yaml")}
    files["metadata.yaml"] = yaml.safe_dump(yaml.safe_load(files["metadata.yaml"]) | {"type": "assets"})
    for name in files:
        if name.startswith("databases/"):
            files[name] = yaml.safe_dump(yaml.safe_load(files[name]) | {"sqlalchemy_uri": database_uri})
    return files


def main() -> None:
    folder, database_uri, user = sys.argv[1:]
    with create_app().app_context():
        # Superset's own modules can be imported within an application only.
        from superset import security_manager
        from superset.commands.importers.v1.assets import ImportAssetsCommand

        g.user = security_manager.find_user(username=user)
        ImportAssetsCommand(contents(Path(folder), database_uri)).run()


if __name__ == "__main__":
    main()
