"""The files of a patch, in the form of Codex's `apply_patch` or as a unified diff. Pure."""

from __future__ import annotations

PATCH = "*** Begin Patch"
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


def diffed_paths(diff: str) -> list[str]:
    """Every file that a unified diff names: the two lines before its first hunk, and git's renames."""
    found: list[str] = []
    lines = diff.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("--- ") and following.startswith("+++ "):
            for name, prefix in ((line[4:], "a/"), (following[4:], "b/")):
                path = name.partition("\t")[0].strip().removeprefix(prefix)
                found += [path] if path != "/dev/null" else []
        elif line.startswith(("rename from ", "rename to ")):
            found.append(line.split(" ", 2)[2])
    return found
