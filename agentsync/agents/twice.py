"""No hook fires twice: Cursor and Copilot run `.claude/settings.json` beside their own files."""

from __future__ import annotations

import os

from agentsync.git.repo import around
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentsync.agents.events import Event

NATIVE = {"cursor": ".cursor/hooks.json", "copilot": ".github/hooks/agentsync.json"}
COMMAND = "agentsync-hook"


def asked_natively(client: str, event: Event, environ: Mapping[str, str]) -> bool:
    """Whether the caller runs another client's hook file and has a file of its own that asks us too."""
    if client == event.dialect or event.dialect not in NATIVE:
        return False
    repo = around({key: value for key, value in environ.items() if not key.startswith("GIT_")}, event.folder or ".")
    if repo is None:
        return False
    try:
        with open(os.path.join(repo.top, NATIVE[event.dialect]), encoding="utf-8", errors="replace") as file:
            return COMMAND in file.read()
    except OSError:
        return False
