"""What the commits of a script would take: its git commands tried, in order, on an index of our own.

For a client whose shell runs git without hooks. Nothing of the user's is written: the index is a copy, and new objects
go to a folder that is thrown away.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile

from agentsync.agents.shell.commands import commands_of
from agentsync.agents.shell.git_words import operands, parse_git, scripts_in, short_letters
from agentsync.git.repo import Repo, around
from agentsync.git.run import run_git, scrubbed_environment
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentsync.agents.shell.commands import Command
    from agentsync.agents.shell.git_words import Git

# Options that only say what is added or taken out; with another, such as `-p`, a command is passed over.
_PLAIN = {
    "-A", "--all", "-u", "--update", "-n", "--dry-run", "-N", "--intent-to-add", "-f", "--force", "-v", "--verbose",
    "-q", "--quiet", "--no-all", "--ignore-removal", "--cached", "--staged", "-r", "-S", "--",
}  # fmt: skip
_TRIES = {"--dry-run", "--help", "-h"}


def committed_by(environ: Mapping[str, str], commands: Sequence[Command]) -> list[str]:
    """The files, as absolute paths, that the commits of a script would take; none while a merge is concluded."""
    todo = list(_gits(commands))
    first = next((folder for folder, git in todo if git.subcommand == "commit"), "")
    repo = around(environ, first) if first else None
    if repo is None or os.path.exists(os.path.join(repo.git_dir, "MERGE_HEAD")):
        return []
    with tempfile.TemporaryDirectory(prefix="agentsync-index-") as scratch:
        trial = _Trial(repo, scratch)
        for folder, git in todo:
            if around(environ, folder) != repo:
                continue
            if not trial.goes_on_after(folder, git):
                break
        return [os.path.join(repo.top, os.fsdecode(name)) for name in sorted(trial.committed)]


def _gits(commands: Sequence[Command]) -> Iterator[tuple[str, Git]]:
    """The git commands of a script with the folders that they run in, those of aliases too."""
    for command in commands:
        git = parse_git(command)
        if git is None or git.git_dir or not command.folder:
            continue
        folder = os.path.normpath(os.path.join(command.folder, git.place))
        yield folder, git
        for script in scripts_in(git):
            yield from _gits(commands_of(script, folder))


class _Trial:
    """A copy of the index that a script's commands change, and what its commits have taken by then."""

    def __init__(self, repo: Repo, scratch: str) -> None:
        self.committed: set[bytes] = set()
        self._repo = repo
        self._restored: list[str] = []  # what the script puts back in the work tree, which stands there as it was
        self._index = os.path.join(scratch, "index")
        objects = os.path.join(scratch, "objects")
        os.makedirs(objects)
        if os.path.exists(os.path.join(repo.git_dir, "index")):
            shutil.copy2(os.path.join(repo.git_dir, "index"), self._index)
        self._environ = {
            **scrubbed_environment(repo.environ),
            "GIT_INDEX_FILE": self._index,
            "GIT_OBJECT_DIRECTORY": objects,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.path.join(repo.common_dir, "objects"),
        }

    def goes_on_after(self, folder: str, git: Git) -> bool:
        """Try one command; False where nobody can tell what the work tree has from then on."""
        words = self._expanded(folder, git)
        options = {word for word in git.words if word.startswith("-")}
        if options & _TRIES:
            return True
        if git.subcommand in ("add", "stage", "rm") and options <= _PLAIN:
            self._git(folder, *(("rm", "--cached", "-q", "-r") if git.subcommand == "rm" else ("add",)), *words)
        elif git.subcommand == "restore" and options & {"--staged", "-S"}:
            self._git(folder, "restore", "--staged", "--", *(word for word in words if not word.startswith("-")))
        elif git.subcommand == "reset":
            return self._reset(folder, words, options)
        elif git.subcommand in ("checkout", "restore"):
            named = [word for word in words if not word.startswith("-")]
            self._restored += [os.path.normpath(os.path.join(folder, word)) for word in named]
        elif git.subcommand == "commit":
            self._commit(folder, git)
        return git.subcommand not in ("stash", "switch", "merge", "pull", "rebase", "cherry-pick", "revert", "am")

    def _expanded(self, folder: str, git: Git) -> list[str]:
        """The words as git gets them: patterns are expanded, and what only a running shell knows is left out."""
        found: list[str] = []
        for word, literal in zip(git.words, git.literal, strict=True):
            if literal:
                found.append(word)
            elif "$" not in word and "`" not in word:
                found += [os.path.join(".", name) for name in glob.glob(word, root_dir=folder)]  # a name may be `-e`
        return found

    def _reset(self, folder: str, words: list[str], options: set[str]) -> bool:
        named = [word for word in words if not word.startswith("-") and word != "HEAD"]
        if options - {"-q", "--quiet", "--", "--mixed"}:
            return False
        if named:
            self._git(folder, "restore", "--staged", "--", *named)
        else:
            self._git(folder, "read-tree", "HEAD")
        return True

    def _commit(self, folder: str, git: Git) -> None:
        letters = short_letters(git)
        named = self._operands(folder, git)
        if "a" in letters or "--all" in git.words:
            self._git(folder, "add", "-u", ":/")
        only = bool(named) and not ("i" in letters or "--include" in git.words)
        if only:  # the rest of what is staged waits for another commit
            shutil.copy2(self._index, self._index + ".kept")
            self._git(folder, "read-tree", "HEAD")
        if named:
            self._git(folder, "add", "--", *named)
        self._take()
        if only:
            os.replace(self._index + ".kept", self._index)

    def _operands(self, folder: str, git: Git) -> list[str]:
        expanded = git._replace(words=tuple(self._expanded(folder, git)))
        return operands(expanded._replace(literal=(True,) * len(expanded.words)))

    def _take(self) -> None:
        names = self._git(self._repo.top, "diff", "--cached", "--name-only", "--no-renames", "-z", "HEAD").split(b"\0")
        for name in names:
            full = os.path.join(self._repo.top, os.fsdecode(name))
            if name and not any(full == place or full.startswith(place + os.sep) for place in self._restored):
                self.committed.add(name)

    def _git(self, folder: str, *words: str) -> bytes:
        return run_git(["-C", folder, *words], self._environ, ok=()).out
