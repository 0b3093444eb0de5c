"""What a worktree's programs must not share: a port and a database name of its own. Pure."""

from __future__ import annotations

import hashlib
import re

_FIRST_PORT, _PORTS = 10000, 10000
_MOST_NAME = 48  # characters; PostgreSQL cuts names at 63, and tests put their own words before


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:4], "big")


def port_of(name: str, taken: frozenset[int] = frozenset()) -> int:
    """A port between 10000 and 19999: the same for a name each time, but for those that are taken."""
    start = _number(name) % _PORTS
    return next(_FIRST_PORT + port for i in range(_PORTS) if _FIRST_PORT + (port := (start + i) % _PORTS) not in taken)


def database_of(name: str) -> str:
    """A name that any database takes without quoting, different for names that only look alike."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "db"
    plain = plain if plain[0].isalpha() else f"db_{plain}"
    return plain if plain == name else f"{plain[:_MOST_NAME]}_{_number(name):08x}"


def environment(name: str, port: int) -> str:
    """The lines of a worktree's `.env.agentsync`."""
    return f"AGENTSYNC_PORT={port}\nAGENTSYNC_DB={database_of(name)}\n"
