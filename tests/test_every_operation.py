"""Every everyday git operation, in the main and in a linked worktree, while others hold locks, claims and numbers.

None may be refused, none may leave a gate undecided, and each must end as it does without hooks.
"""

from __future__ import annotations

import pytest
from conftest import Stage, Tree

SIDE = "side"

# Each operation is a list of git command lines; "!" marks one that git itself fails, such as a conflicting merge.
OPERATIONS = {
    "commit": ["touch x", "add x", "commit -qm x"],
    "commit empty": ["commit -q --allow-empty -m x"],
    "commit nothing": ["! commit -qm x"],
    "commit -a": ["edit own.txt", "commit -qam x"],
    "commit path": ["edit own.txt", "touch y", "add y", "commit -qm x -- own.txt"],
    "commit -i": ["edit own.txt", "touch y", "add y", "commit -qm x -i own.txt"],
    "amend": ["edit own.txt", "commit -qa --amend -m x"],
    "amend --no-edit": ["commit -q --amend --no-edit --allow-empty"],
    "amend -n": ["edit own.txt", "commit -qan --amend --no-edit"],
    "fixup": ["edit own.txt", "commit -qa --fixup HEAD", "rebase -q -i --autosquash HEAD~2"],
    "dry run": ["edit own.txt", "commit -qa --dry-run"],
    "editor": ["edit own.txt", "! commit -qa"],
    "no verify": ["edit own.txt", "commit -qanm x"],
    "merge ff": ["reset -q --hard HEAD~1", "merge -q --ff-only ORIG_HEAD"],
    "merge": ["merge -q --no-edit side"],
    "merge -n": ["merge -q --no-edit --no-verify side"],
    "merge no commit": ["merge -q --no-commit side", "commit -qm x"],
    "merge squash": ["merge -q --squash side", "commit -qm x"],
    "merge conflict": ["! merge -q conflict", "edit own.txt", "add own.txt", "commit -qm x"],
    "merge continue": ["! merge -q conflict", "edit own.txt", "add own.txt", "merge --continue"],
    "merge abort": ["! merge -q conflict", "merge --abort"],
    "octopus": ["merge -q --no-edit side side2"],
    "rebase": ["rebase -q side"],
    "rebase apply": ["rebase -q --apply side"],
    "rebase no verify": ["rebase -q --no-verify side"],
    "rebase conflict": ["! rebase -q conflict", "edit own.txt", "add own.txt", "rebase --continue"],
    "rebase abort": ["! rebase -q conflict", "rebase --abort"],
    "rebase skip": ["! rebase -q conflict", "rebase --skip"],
    "rebase autostash": ["edit shared.txt", "rebase -q --autostash side", "checkout -q shared.txt"],
    "rebase onto": ["rebase -q --onto side HEAD~1"],
    "cherry-pick": ["cherry-pick side"],
    "cherry-pick range": ["cherry-pick side~1..side2"],
    "cherry-pick -n": ["cherry-pick -n side", "commit -qm x"],
    "cherry-pick conflict": ["! cherry-pick conflict", "edit own.txt", "add own.txt", "cherry-pick --continue"],
    "revert": ["revert --no-edit HEAD"],
    "stash": ["edit own.txt", "stash push -q", "stash pop -q"],
    "stash untracked": ["touch u", "stash push -q -u", "stash apply -q", "stash drop -q"],
    "worktree add": ["worktree add -q ../extra -b extra", "worktree remove ../extra"],
    "worktree add detached": ["worktree add -q --detach ../extra", "worktree move ../extra ../extra2"],
    "worktree add existing": ["worktree add -q ../extra side"],
    "worktree add bare": ["worktree add -q --no-checkout ../extra -b extra"],
    "branch": ["branch new", "branch -f new side", "branch -m new newer", "branch -D newer"],
    "switch": ["switch -q side", "switch -q -", "switch -q -c third", "switch -q --detach"],
    "orphan": ["switch -q --orphan lone", "commit -q --allow-empty -m x"],
    "reset soft": ["reset -q --soft HEAD~1", "commit -qm x"],
    "reset hard": ["reset -q --hard HEAD~1"],
    "reset mixed": ["reset -q HEAD~1"],
    "restore": ["edit own.txt", "add own.txt", "restore --staged own.txt", "restore own.txt"],
    "tag": ["tag t1", "tag -am x t2"],
    "update-ref": ["update-ref refs/heads/new HEAD", "update-ref -d refs/heads/new"],
    "am": ["format-patch -q -1 side -o ../patches", "am -q ../patches/0001-side.patch"],
    "apply": ["format-patch -q -1 side -o ../patches", "apply --index ../patches/0001-side.patch", "commit -qm x"],
    "gc": ["gc -q"],
    "pack-refs": ["pack-refs --all"],
    "bisect": ["bisect start HEAD HEAD~1", "bisect reset"],
    "push": ["push -q ../up.git HEAD:refs/heads/pushed", "push -q ../up.git :refs/heads/pushed"],
    "fetch": ["push -q ../up.git side", "fetch -q ../up.git side:fetched"],
    "pull": ["push -q ../up.git side", "pull -q --no-rebase --no-edit ../up.git side"],
    "pull rebase": ["push -q ../up.git side", "pull -q --rebase ../up.git side"],
    "notes": ["notes add -m x HEAD"],
    "sparse": ["sparse-checkout set --no-cone /*"],
}  # fmt: skip


@pytest.fixture
def busy(main: Tree, stage: Stage) -> Tree:
    """A repository in which another agent holds a lock with a chain, a claim and a number."""
    stage.step("busy", lambda: make_busy(main))
    return main


def make_busy(main: Tree) -> None:
    main.write("TASKS.md", "# Tasks\n\n- [ ] **T-1** One\n")
    main.write("db/migrations/001_a.sql", "a\n")
    main.write("db/migrations/002_b.sql", "b\n")
    main.write("own.txt", "own\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "base")
    main.ok("init", "-q", "--bare", str(main.path.parent / "up.git"))
    for name, file in (("side", "side.txt"), ("side2", "side2.txt"), ("conflict", "own.txt")):
        main.ok("switch", "-q", "-c", name, "main" if name != "side2" else "side")
        main.commit(file, f"{name}\n", name)
    main.ok("switch", "-q", "main")
    other = main.worktree("other")
    other.synced("lock", "held.txt", "src")
    other.synced("task", "claim", "T-1")
    other.write("held.txt", "v1\n")
    other.write("db/migrations/003_c.sql", "c\n")
    other.ok("add", ".")
    other.ok("commit", "-qm", "other's work")


def perform(tree: Tree, line: str) -> None:
    expected = not line.startswith("! ")
    words = line.removeprefix("! ").split()
    if words[0] in ("edit", "touch"):
        tree.write(words[1], f"{words[0]} {line}\n")
        return
    done = tree.git(*words)
    assert (done.code == 0) == expected, (line, done)
    assert "agentsync: refused" not in done.err, (line, done)
    assert "could not decide" not in done.err, (line, done)
    assert "nothing was checked" not in done.err, (line, done)


@pytest.mark.parametrize("where", ["main", "linked"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_everyday_operations_are_never_refused(busy: Tree, name: str, where: str) -> None:
    tree = busy if where == "main" else busy.worktree("mine")
    assert tree.commit("own.txt", "mine\n").code == 0
    for line in OPERATIONS[name]:
        perform(tree, line)
