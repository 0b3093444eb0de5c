"""The files of a patch in the form of Codex's `apply_patch`. Pure."""

from __future__ import annotations

_HEADS = ("*** Update File: ", "*** Add File: ", "*** Delete File: ", "*** Move to: ")


def patched_paths(patch: str) -> list[str]:
    """Every file that a patch changes, makes, removes or moves to, as it is written there."""
    found = []
    in_hunk = False
    for line in patch.splitlines():
        in_hunk = (in_hunk or line.startswith("@@")) and not line.startswith("***")
        bare = line if in_hunk else line.lstrip()  # Codex allows blanks before; in a hunk they mark a line of context
        head = next((head for head in _HEADS if bare.startswith(head)), "")
        path = bare[len(head) :].strip() if head else ""
        if path:
            found.append(path)
    return found
