"""A line merge of three contents, as git makes it."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager

from agentsync.errors import GitError
from agentsync.git.run import run_git
from agentsync.lean import TYPE_CHECKING
from agentsync.merging.hunks import MARKER, Merged, parse_merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def laid_out(base: bytes, ours: bytes, theirs: bytes) -> Iterator[tuple[str, str, str]]:
    """Three versions as files, for programs that merge files: the paths of ours, base and theirs."""
    with tempfile.TemporaryDirectory(prefix="agentsync-merge-") as folder:
        for name, content in (("ours", ours), ("base", base), ("theirs", theirs)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        yield os.path.join(folder, "ours"), os.path.join(folder, "base"), os.path.join(folder, "theirs")


def conflict_text(environ: Mapping[str, str], versions: tuple[bytes, bytes, bytes], marker_size: int) -> bytes:
    """Base, ours and theirs in conflict, with git's markers, also where git itself finds none.

    Then each place where ours and theirs differ is one, since any of them may be what does not fit.
    Raises GitError for binary files.
    """
    _, ours, theirs = versions
    labels = ("-L", "ours", "-L", "base", "-L", "theirs")
    words = ("merge-file", "-p", f"--marker-size={marker_size}", *labels)
    for flags, base in (((), versions[0]), (("-c", "merge.conflictStyle=merge"), b"")):
        with laid_out(base, ours, theirs) as names:
            done = run_git([*flags, *words, *names], environ, ok=())
        if 0 < done.code <= 127:
            return done.out
    raise GitError("git merge-file found no conflict", done.err.decode("utf-8", "replace").strip())


def merge_lines(environ: Mapping[str, str], base: bytes, ours: bytes, theirs: bytes) -> Merged:
    """What `git merge-file --diff3` makes of three versions, taken apart.

    Raises GitError where git cannot merge them as text, as for binary files.
    """
    with laid_out(base, ours, theirs) as names:
        done = run_git(["merge-file", "-p", "--diff3", f"--marker-size={MARKER}", *names], environ, ok=())
    if done.code < 0 or done.code > 127:
        raise GitError("git merge-file failed", done.err.decode("utf-8", "replace").strip())
    return parse_merged(done.out)
