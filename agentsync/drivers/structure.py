"""Source files merged by mergiraf, a program of its own that knows their syntax; agentsync only asks it."""

from __future__ import annotations

import os
import subprocess
import tempfile

from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "mergiraf"
SUFFIXES = ("c", "cc", "cpp", "cs", "go", "h", "hpp", "java", "js", "jsx", "kt", "php", "py", "rb", "rs", "scala", "ts",
            "tsx")  # fmt: skip
_SECONDS = 8


def merge_by_structure(
    environ: Mapping[str, str], path: bytes, base: bytes, ours: bytes, theirs: bytes
) -> bytes | None:
    """What `mergiraf merge` makes of three versions; None where it conflicts, fails, or is not there."""
    with tempfile.TemporaryDirectory(prefix="agentsync-merge-") as folder:
        names = []
        for name, content in (("base", base), ("ours", ours), ("theirs", theirs)):
            names.append(os.path.join(folder, name))
            with open(names[-1], "wb") as file:
                file.write(content)
        merged = os.path.join(folder, "merged")
        words = [PROGRAM, "merge", *names, "-o", merged, "-p", os.fsdecode(path)]
        try:
            done = subprocess.run(words, env=dict(environ), capture_output=True, timeout=_SECONDS, check=False)
            if done.returncode != 0:
                return None
            with open(merged, "rb") as file:
                return file.read()
        except (OSError, subprocess.TimeoutExpired):
            return None
