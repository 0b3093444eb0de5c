"""Rooms of the state, and how a path of the user's repository becomes a place in one, and back."""

from __future__ import annotations

LOCKS = b"locks"
CHAINS = b"chains"
LANDING = b"landing.toml"
TASKS = b"tasks"  # the claims
LOCK = b".lock"
CHAIN = b".chain"


def _is_marker(component: bytes) -> bool:
    return component.lstrip(b"%") in (LOCK, CHAIN)


def _escape(component: bytes) -> bytes:
    return b"%" + component if _is_marker(component) else component


def _unescape(component: bytes) -> bytes:
    return component[1:] if component.startswith(b"%") and _is_marker(component) else component


def to_state(room: bytes, path: bytes, leaf: bytes) -> bytes:
    """The record of `path` in a room of the state: `locks`, `src/a.py`, `.lock` give `locks/src/a.py/.lock`."""
    parts = [_escape(part) for part in path.split(b"/") if part]
    return b"/".join([room, *parts, leaf])


def from_state(place: bytes) -> bytes:
    """The user's path of a record; the reverse of `to_state`."""
    return b"/".join(_unescape(part) for part in place.split(b"/")[1:-1])


def room_of(room: bytes, path: bytes) -> bytes:
    """The folder of the state that holds everything at and below `path`."""
    return b"/".join([room, *(_escape(part) for part in path.split(b"/") if part)])


def path_to_text(path: bytes) -> str:
    """A path as text for a record: what is not UTF-8, `%` itself and control characters become `%XX`."""
    text = path.decode("utf-8", "surrogateescape")
    return "".join(
        char if char.isprintable() and char != "%" and not "\ud800" <= char <= "\udfff" else _percent(char)
        for char in text
    )


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))


def path_from_text(text: str) -> bytes:
    """The reverse of `path_to_text`."""
    head, *rest = text.split("%")
    return head.encode() + b"".join(bytes([int(part[:2], 16)]) + part[2:].encode() for part in rest)
