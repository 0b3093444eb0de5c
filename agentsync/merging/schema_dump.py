"""Rails' db/schema.rb three ways: the version is the highest of all, tables merge as lines. Pure."""

from __future__ import annotations

import re

from agentsync.merging.three_way import ConflictError

_VERSION = re.compile(rb"(?<=version)((?:: | => ))([\d_]+)")


def with_newest_version(base: bytes, ours: bytes, theirs: bytes) -> tuple[bytes, bytes, bytes]:
    """The three dumps, all with the newest version, so that it no longer conflicts.

    Raises ConflictError where a side has none.
    """
    versions = [_VERSION.search(side) for side in (base, ours, theirs)]
    if not versions[1] or not versions[2]:
        raise ConflictError("a dump names no version")
    newest = max((found[2] for found in versions if found), key=lambda text: int(text.replace(b"_", b"")))
    dumps = [_VERSION.sub(rb"\g<1>" + newest, side, count=1) for side in (base, ours, theirs)]
    return dumps[0], dumps[1], dumps[2]
