"""Line ends three ways: formats merge texts whose lines end in one way, and the merge has the ends that are wanted."""

from __future__ import annotations


def with_line_feeds(base: bytes, ours: bytes, theirs: bytes) -> tuple[tuple[bytes, bytes, bytes], bytes]:
    """The versions with line feeds alone, and the line end of the merge; as they are where one has both ends."""
    ends = [_line_end(side) for side in (base, ours, theirs)]
    if None in ends or b"\r\n" not in ends:
        return (base, ours, theirs), b"\n"
    before, mine, other = (end or ends[1] or ends[2] or b"\n" for end in ends)  # an empty side has none
    bare = tuple(side.replace(b"\r\n", b"\n") for side in (base, ours, theirs))
    return (bare[0], bare[1], bare[2]), other if mine == before else mine


def _line_end(text: bytes) -> bytes | None:
    """How the lines of a text end, empty where it has one line at most, None where they end in two ways."""
    feeds, both = text.count(b"\n"), text.count(b"\r\n")
    if both in (0, feeds):
        return b"" if not feeds else b"\r\n" if both else b"\n"
    return None
