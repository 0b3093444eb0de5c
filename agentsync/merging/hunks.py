"""A line merge as git makes it, taken apart: clean lines and conflict hunks. Pure: reads `git merge-file` output."""

from __future__ import annotations

import itertools

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.three_way import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    LineMerge = Callable[[bytes, bytes, bytes], "Merged"]  # base, ours, theirs, as `git merge-file` merges them

_MOST_HUNKS = 4  # five readings each
MARKER = 47  # characters of a conflict marker: long enough that no file has one by chance


class Hunk(NamedTuple):
    """A conflict: the lines of each side, with their ends."""

    ours: tuple[bytes, ...]
    base: tuple[bytes, ...]
    theirs: tuple[bytes, ...]

    @property
    def only_inserts(self) -> bool:
        """Whether both sides only put lines where nothing but blank lines stood."""
        return not any(line.strip() for line in self.base)


class Merged(NamedTuple):
    """A merge as a sequence of clean lines and conflicts."""

    parts: tuple[bytes | Hunk, ...]

    @property
    def hunks(self) -> list[Hunk]:
        """Its conflicts."""
        return [part for part in self.parts if isinstance(part, Hunk)]

    @property
    def clean(self) -> bytes | None:
        """The merged text, None where there is a conflict."""
        return None if self.hunks else b"".join(part for part in self.parts if isinstance(part, bytes))

    def checked(self, holds: Callable[[bytes], bool]) -> bytes:
        """The merged text of versions whose common ancestor cannot be read, such as one that is itself a conflict.

        Raises ConflictError where there is none, or it does not hold.
        """
        text = self.clean
        if text is None or not holds(text):
            raise ConflictError("the common ancestor cannot be read, and the lines alone do not tell")
        return text

    def readings(self) -> Iterator[bytes]:
        """The texts that this merge can be read as: of each conflict one side, or both.

        A format that knows what the merge must say accepts the one that says so, and everything else stays as git
        merged it. Nothing where there are too many conflicts to try.
        """
        hunks = self.hunks
        if len(hunks) > _MOST_HUNKS:
            return
        for choice in itertools.product(*(_ways(hunk) for hunk in hunks)):
            left = iter(choice)
            yield b"".join(part if isinstance(part, bytes) else next(left) for part in self.parts)

    def resolved(self, decide: Callable[[Hunk, Sequence[bytes], Sequence[bytes]], Sequence[bytes]]) -> bytes:
        """The text with each conflict decided; `decide` also sees the clean lines before and after."""
        out: list[bytes] = []
        for index, part in enumerate(self.parts):
            if isinstance(part, bytes):
                out.append(part)
                continue
            after = []
            for later in self.parts[index + 1 :]:
                if isinstance(later, Hunk):
                    break
                after.append(later)
            out += decide(part, out, after)
        return b"".join(out)


def _ways(hunk: Hunk) -> list[bytes]:
    ours, theirs = b"".join(hunk.ours), b"".join(hunk.theirs)
    fresh = b"".join(line for line in hunk.theirs if line not in hunk.ours)
    older = b"".join(line for line in hunk.ours if line not in hunk.theirs)
    ended = ours if not ours or ours.endswith(b"\n") else ours + b"\n"
    return list(dict.fromkeys([ended + fresh, ended + theirs, older + theirs, ours, theirs, theirs + ours]))


def parse_merged(text: bytes) -> Merged:
    """The output of `git merge-file -p --diff3 --marker-size=47`, taken apart."""
    parts: list[bytes | Hunk] = []
    sides: list[list[bytes]] = []
    for line in text.splitlines(keepends=True):
        mark = line[:1] if line[:MARKER] == line[:1] * MARKER else b""
        if mark == b"<":
            sides = [[]]
        elif mark in (b"|", b"=") and sides:
            sides.append([])
        elif mark == b">" and len(sides) == 3:
            parts.append(Hunk(tuple(sides[0]), tuple(sides[1]), tuple(sides[2])))
            sides = []
        elif sides:
            sides[-1].append(line)
        else:
            parts.append(line)
    return Merged(tuple(parts))
