"""Superset for one desk on one machine: `make bi` (scripts/bi.sh) starts it with this file.

The secret key and the folder of its own data come from the environment: SUPERSET_SECRET_KEY and SUPERSET_HOME, which
Superset reads by itself.
"""

from superset.config import TALISMAN_CONFIG as DEFAULT_TALISMAN_CONFIG


def of_this_server(sources: str | list[str]) -> str | list[str]:
    """The sources of a content security policy without other machines: what is left is 'self', blob: and the like."""
    if isinstance(sources, str):
        return sources
    return [source for source in sources if source.startswith("'") or source.endswith(":")]


# The browser refuses what the page would ask of other machines: a pixel that counts visits, map tiles, fonts.
TALISMAN_CONFIG = DEFAULT_TALISMAN_CONFIG | {
    "content_security_policy": {
        directive: of_this_server(sources)
        for directive, sources in DEFAULT_TALISMAN_CONFIG["content_security_policy"].items()
    }
}

# One process answers everything: no broker and no cache server. Every look at the dashboard reads the views.
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
RATELIMIT_STORAGE_URI = "memory://"
