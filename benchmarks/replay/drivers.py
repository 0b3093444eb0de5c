"""Track A: the format merges held against what people committed.

Each conflicting path of a real merge is merged again from its three versions, by `union` and by the formats of
agentsync, and compared with the file of the merge commit: the same bytes, the same lines (or, in JSON, the same values) in any order, or other.

    python benchmarks/replay/drivers.py CASES_DIR CLONES_DIR [--show KIND]
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from agentsync.git.merge_file import merge_lines
from agentsync.merging.formats import format_of, merge_format


def clone_of(clones: Path, repo: str) -> Path | None:
    """The git directory of a case's repository among the clones: `OWNER+NAME` or `OWNER+NAME/repo`, bare or not."""
    for name in (repo, repo.replace("+", "/"), repo.rpartition("+")[2]):
        for inner in ("", "repo", ".git"):
            if (clones / name / inner / "HEAD").exists():
                return clones / name / inner
    return None


class Blobs:
    """The contents of paths in commits, by one `git cat-file --batch`."""

    def __init__(self, git_dir: Path) -> None:
        self._process = subprocess.Popen(
            ["git", f"--git-dir={git_dir}", "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's bytes, None where there is none (or its blob is missing)."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{commit}:{path}\n".encode())
        self._process.stdin.flush()
        header = self._process.stdout.readline().split()
        if len(header) != 3 or header[1] != b"blob":
            if len(header) == 3 and header[2].isdigit():
                self._process.stdout.read(int(header[2]) + 1)
            return None
        return self._process.stdout.read(int(header[2]) + 1)[:-1]


def union(base: bytes, ours: bytes, theirs: bytes) -> bytes:
    """`git merge-file --union`."""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for name, content in (("ours", ours), ("base", base), ("theirs", theirs)):
            names.append(str(Path(folder) / name))
            Path(names[-1]).write_bytes(content)
        return subprocess.run(["git", "merge-file", "-p", "--union", *names], capture_output=True, check=False).stdout


_BY_LINES = ("changelog", "registry", "i18n")  # where a line that a side added must be in the result


def lost(base: bytes, ours: bytes, theirs: bytes, made: bytes | None) -> list[bytes]:
    """Lines that a side added and the merge lacks, white space and repeated ones aside."""
    if made is None:
        return []
    known, mine, other, result = (
        {b" ".join(line.split()).rstrip(b",") for line in text.splitlines()} for text in (base, ours, theirs, made)
    )
    return sorted(line for line in (mine | other) - known - result if line)


def verdict(made: bytes | None, human: bytes) -> str:
    """How a merge compares with what people committed."""
    if made is None:
        return "left"
    if made == human:
        return "bytes"
    try:
        if json.loads(made) == json.loads(human):
            return "lines"
    except ValueError:
        pass
    lines = [sorted(line.strip() for line in text.splitlines() if line.strip()) for text in (made, human)]
    return "lines" if lines[0] == lines[1] else "other"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("clones", type=Path)
    parser.add_argument("--show", default="", help="print the cases of this format that differ")
    options = parser.parse_args()
    ours_by: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    union_by: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for file in sorted(options.cases.glob("*.jsonl")):
        clone = clone_of(options.clones, file.stem)
        if clone is None:
            print(f"no clone of {file.stem}", file=sys.stderr)
            continue
        blobs = Blobs(clone)
        for case in map(json.loads, file.read_text().splitlines()):
            for path in case.get("conflicted") or {}:
                found = format_of(path.encode())
                sides = [blobs.read(case[key], path) for key in ("base", "p1", "p2", "merge")]
                if found is None or sides[1] is None or sides[2] is None or sides[3] is None:
                    continue
                base, one, two, human = sides[0] or b"", sides[1], sides[2], sides[3]
                answer = merge_format(
                    path.encode(), base, one, two, lambda b, o, t: merge_lines(dict(os.environ), b, o, t)
                )
                made = answer if isinstance(answer, bytes) else None
                result = verdict(made, human)
                gone = lost(base, one, two, made) if found.name in _BY_LINES else []
                ours_by[found.name]["lost"] += bool(gone)
                if gone and options.show == found.name:
                    print("lost", file.stem, case["merge"][:10], path, gone[:3])
                ours_by[found.name][result] += 1
                union_by[found.name][verdict(union(base, one, two), human)] += 1
                if options.show == found.name and result in ("other", "lines", "left"):
                    print(result, file.stem, case["merge"][:10], path)
    print(
        "| format | files | as people, bytes | as people, lines | otherwise | left to a person | with a line lost | union: bytes | union: lines | union: otherwise |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in sorted(ours_by):
        mine, other = ours_by[name], union_by[name]
        counts = [mine["bytes"], mine["lines"], mine["other"], mine["left"]]
        row = [sum(counts), *counts, mine["lost"] if name in _BY_LINES else "-"]
        print(f"| {name} | " + " | ".join(map(str, [*row, other["bytes"], other["lines"], other["other"]])) + " |")


if __name__ == "__main__":
    main()
