"""Source files merged by mergiraf, a program of its own that knows their syntax; agentsync only asks it."""

from __future__ import annotations

import os
import subprocess

from agentsync.git.merge_file import laid_out
from agentsync.lean import TYPE_CHECKING
from agentsync.merging.three_way import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "mergiraf"
SUFFIXES = ("c", "cc", "cpp", "cs", "go", "h", "hpp", "java", "js", "jsx", "kt", "php", "py", "rb", "rs", "scala", "ts",
            "tsx")  # fmt: skip
_SECONDS = 8


def merge_by_structure(
    environ: Mapping[str, str], path: bytes, base: bytes, ours: bytes, theirs: bytes
) -> bytes | Conflict | None:
    """What `mergiraf merge` makes of three versions; None where it fails, or is not there."""
    with laid_out(base, ours, theirs) as (mine, before, other):
        merged = f"{mine}.merged"
        words = [PROGRAM, "merge", before, mine, other, "-o", merged, "-p", os.fsdecode(path)]
        try:
            done = subprocess.run(words, env=dict(environ), capture_output=True, timeout=_SECONDS, check=False)
            if done.returncode == 1:
                return Conflict("mergiraf finds one")
            if done.returncode != 0:
                return None
            with open(merged, "rb") as file:
                return file.read()
        except (OSError, subprocess.TimeoutExpired):
            return None
