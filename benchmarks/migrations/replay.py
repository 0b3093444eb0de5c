"""Track F: real migration collisions, renumbered again.

Each case is two commits of a public repository that added migrations apart. The plan of `agentsync sync` is applied
to the merge of the two, and the result is read by rules of this file's own (not by those of the planner):

- repaired: what the branch brings stands behind base's, once, under numbers of its own; graphs have one head and no
  dangling parent; nothing that had landed changed; nothing that the branch brought is lost.
- refused: agentsync says that a person must decide.
- wrong: neither. This must be 0.

    python benchmarks/migrations/replay.py CASES.json CLONES_DIR [--show]

CLONES_DIR has full clones as `OWNER+NAME/repo`, `OWNER+NAME` or `NAME`, bare or not; cases without one are passed over.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from agentsync.config.load import Base, InForce
from agentsync.config.schema import SeriesSetting, defaults
from agentsync.errors import AgentsyncError, GitError
from agentsync.git.repo import Repo
from agentsync.git.trees import edited_tree, merge_trees
from agentsync.migrations.renumber import edits_of, renumbering

sys.path.insert(0, str(Path(__file__).parent.parent / "replay"))
from drivers import clone_of

KINDS = ("number-collision", "two-heads", "number-collision-after-rebase", "timestamp-out-of-order",
         "schema.rb-version-conflict")  # fmt: skip


def scratch(clone: Path, folder: Path) -> Repo:
    """A repository with a clone's objects and nothing else."""
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / ".git/objects/info/alternates").write_text(f"{clone / 'objects'}\n")
    return Repo(str(folder), str(folder / ".git"), str(folder / ".git"), dict(os.environ))


def blobs_in(repo: Repo, tree: str, folder: str) -> dict[str, str]:
    """Path to blob, at and below a folder."""
    out = repo.git("ls-tree", "-r", "-z", "--full-tree", tree, "--", folder + "/").out
    rows = [row.partition(b"\t") for row in out.split(b"\0") if row]
    return {path.decode(): facts.split()[2].decode() for facts, _, path in rows}


NUMBER = re.compile(r"^(?:V)?(\d+(?:[._]\d+)*)(?=_|-|\.|$)")


def number_of(path: str, folder: str) -> tuple[int, ...] | None:
    """A migration's number, read anew here."""
    name = path[len(folder) + 1 :].split("/")[0]
    if not re.search(r"\.(py|sql|rb|xml|ts|js|go)$", path) or name.startswith(("R__", "__")):
        return None
    found = re.match(r"^V(\d+(?:[._]\d+)*)__", name) or re.match(r"^(\d+)[_-]", name)
    return tuple(int(part) for part in re.split(r"[._]", found[1])) if found else None


def revisions(repo: Repo, files: dict[str, str]) -> dict[str, list[str]]:
    """Alembic: revision to its parents, by regular expressions."""
    found = {}
    for path, blob in files.items():
        text = repo.git("cat-file", "blob", blob).out.decode("utf-8", "replace") if path.endswith(".py") else ""
        own = re.search(r"^revision(?:\s*:.*)?\s*=\s*['\"](\w+)['\"]", text, re.MULTILINE)
        parent = re.search(r"^down_revision(?:\s*:[^=]*)?\s*=\s*(.+?)$", text, re.MULTILINE)
        if own:
            found[own[1]] = re.findall(r"['\"](\w+)['\"]", parent[1]) if parent else []
    return found


def dependencies(repo: Repo, files: dict[str, str], app: str) -> dict[str, list[str]]:
    """Django: migration to the ones of its own app that it names, by regular expressions."""
    found = {}
    for path, blob in files.items():
        stem = path.rpartition("/")[2].removesuffix(".py")
        if not path.endswith(".py") or stem == "__init__":
            continue
        text = repo.git("cat-file", "blob", blob).out.decode("utf-8", "replace")
        if "class Migration" not in text:
            continue
        part = re.search(r"dependencies\s*=\s*\[(.*?)\]", text, re.DOTALL)
        found[stem] = re.findall(rf"['\"]{app}['\"],\s*['\"](\w+)['\"]", part[1]) if part else []
        replaced = re.search(r"replaces\s*=\s*\[(.*?)\]", text, re.DOTALL)
        for old in re.findall(rf"['\"]{app}['\"],\s*['\"](\w+)['\"]", replaced[1]) if replaced else []:
            found.setdefault(old, [])
    return found


def heads(graph: dict[str, list[str]]) -> set[str]:
    parents = {parent for after in graph.values() for parent in after}
    return {name for name in graph if name not in parents}


def only_source(repo: Repo, case: dict) -> dict:
    """The case with nothing but its Python and migration files: a clone may lack large files of others."""

    def thin(commit: str, parents: list[str]) -> str:
        rows = repo.git("ls-tree", "-r", "-z", "--full-tree", commit).out.split(b"\0")
        kept = [row for row in rows if row.endswith(b".py") or case["dir"].encode() in row]
        with tempfile.TemporaryDirectory() as folder:
            inside = repo._replace(environ={**repo.environ, "GIT_INDEX_FILE": str(Path(folder) / "index")})
            lines = [row.replace(b" blob ", b" ") for row in kept if b" blob " in row]
            inside.git("update-index", "-z", "--index-info", stdin=b"\0".join(lines) + b"\0")
            tree = inside.git("write-tree").out.decode().strip()
        flags = [word for parent in parents for word in ("-p", parent)]
        return repo.git("commit-tree", tree, *flags, "-m", "thin").out.decode().strip()

    base = thin(case["base"], [])
    sides = {key: thin(case[key], [base]) for key in ("branch_a", "branch_b")}
    return {**case, "base": base, **sides}


def faults(repo: Repo, case: dict, tree: str, merged: dict[str, str]) -> list[str]:
    """What is wrong with the merged and renumbered tree."""
    folder = case["dir"].rstrip("/")
    a, fork, b, now = (blobs_in(repo, one, folder) for one in (case["branch_a"], case["base"], case["branch_b"], tree))
    found = []
    if case["layout"] == "alembic":
        before, after = revisions(repo, a), revisions(repo, now)
        if len(heads(after)) > max(1, len(heads(before))):
            found.append(f"{len(heads(after))} heads")
        missing = {p for after_of in after.values() for p in after_of if p not in after}
        known = {p for after_of in before.values() for p in after_of if p not in before}
        found += [f"dangling {name}" for name in missing - known]
        lost = set(revisions(repo, b)) - set(after) - set(revisions(repo, fork))
        found += [f"lost {name}" for name in lost]
    else:
        found += numbered_faults(case, folder, (a, fork, b, now))
        if case["layout"].startswith("django"):
            app = folder.split("/")[-2]
            before, after = dependencies(repo, a, app), dependencies(repo, now, app)
            if len(heads(after)) > max(1, len(heads(before))):
                found.append(f"{len(heads(after))} leaves: {sorted(heads(after))[:3]}")
            known = {p for names in before.values() for p in names if p not in before}
            found += [f"dangling {p}" for names in after.values() for p in names if p not in after and p not in known]
    both = a.keys() & fork.keys()
    changed = [path for path in both if now.get(path) not in (a[path], merged.get(path)) and number_of(path, folder)]
    found += [f"landed {path} changed" for path in changed]
    return found


def numbered_faults(case: dict, folder: str, sides: tuple[dict, dict, dict, dict]) -> list[str]:
    a, fork, b, now = sides
    found = []
    fresh = {path for path in now if path not in a and number_of(path, folder)}
    taken = collections.Counter(number_of(path, folder) for path in a if number_of(path, folder))
    mine = collections.Counter()
    for path in fresh:
        stem = re.sub(r"\.(up|down)\.\w+$", "", path)
        mine[number_of(path, folder), stem] += 1
    numbers = collections.Counter(number for number, _ in mine)
    found += [f"number {number} twice" for number, count in numbers.items() if count > 1]
    found += [f"number {number} is base's" for number in numbers if taken[number]]
    newest = max((number for number in taken if number), default=())
    if not case["layout"].startswith("django"):
        found += [f"{number} before base's {newest}" for number in numbers if number < newest]
    slugs = {re.sub(r"^V?[\d._]+?_+", "", path.rpartition("/")[2]) for path in now}
    brought = [path for path in b if path not in fork and number_of(path, folder)]
    found += [f"lost {path}" for path in brought if re.sub(r"^V?[\d._]+?_+", "", path.rpartition("/")[2]) not in slugs]
    return found


def judge(repo: Repo, case: dict) -> tuple[str, str]:
    """`repaired`, `refused`, `wrong` or `missing` (objects the clone lacks), and why."""
    if not case["branch_a"] or repo.git("cat-file", "-e", case["branch_a"] + "^{tree}", ok=()).code:
        return "missing", ""
    series = (SeriesSetting(case["dir"].rstrip("/"), "alembic"),) if case["layout"] == "alembic" else ()
    rules = InForce(Base("refs/heads/none", case["branch_a"], "", ""), defaults()._replace(series=series))
    try:
        try:
            merged = merge_trees(repo, case["branch_a"], case["branch_b"]).tree
        except GitError:
            case = only_source(repo, case)
            merged = merge_trees(repo, case["branch_a"], case["branch_b"]).tree
        plans = renumbering(repo, rules, case["branch_a"], case["branch_b"], landing=True)
        mine = [plan for plan in plans.plans if plan.series == case["dir"].rstrip("/")]
        tree = edited_tree(repo, merged, edits_of(repo, plans._replace(plans=tuple(mine)), merged))
    except AgentsyncError as error:
        return ("refused", f"{error.what}: {error.why}") if error.kind == "refused" else ("missing", str(error.why))
    found = faults(repo, case, tree, blobs_in(repo, merged, case["dir"].rstrip("/")))
    return ("wrong", "; ".join(found[:3])) if found else ("repaired", "")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("clones", type=Path)
    parser.add_argument("--show", action="store_true", help="name each case that is not repaired")
    options = parser.parse_args()
    results: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    by_repo = collections.defaultdict(list)
    for case in json.loads(options.cases.read_text())["cases"]:
        if case["kind"] in KINDS:
            by_repo[case["repo"]].append(case)
    for name, cases in by_repo.items():
        clone = clone_of(options.clones, name.replace("/", "+"))
        if clone is None:
            print(f"no clone of {name}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            repo = scratch(clone, Path(folder) / "r")
            for case in cases:
                verdict, why = judge(repo, case)
                results[case["layout"]][verdict] += 1
                if options.show and verdict != "repaired":
                    print(f"{verdict} {case['id']}: {why[:300]}", file=sys.stderr)
    print("| layout | cases | repaired | refused | wrong | objects missing |\n|---|---|---|---|---|---|")
    total: collections.Counter[str] = collections.Counter()
    for layout, counts in sorted(results.items()):
        total += counts
        row = [counts.total(), *(counts[key] for key in ("repaired", "refused", "wrong", "missing"))]
        print(f"| {layout} | " + " | ".join(map(str, row)) + " |")
    row = [total.total(), *(total[key] for key in ("repaired", "refused", "wrong", "missing"))]
    print("| all | " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
