"""Object ids as git computes them (gitformat-loose): a hash over kind, size and content."""

from __future__ import annotations


def object_id(kind: bytes, content: bytes, id_length: int = 40) -> str:
    """The id of an object, in the format whose ids are `id_length` digits long: 40 for SHA-1, 64 for SHA-256."""
    data = kind + b" " + str(len(content)).encode() + b"\0" + content
    if id_length == 64:
        from hashlib import sha256

        return sha256(data, usedforsecurity=False).hexdigest()
    return sha1_of(data).hex()


def sha1_of(data: bytes) -> bytes:
    """A SHA-1 digest.

    `hashlib` costs 2.5 ms to import; SHA-1's own C module, where Python has it, does the same.
    """
    try:
        from _sha1 import sha1
    except ImportError:
        from hashlib import sha1
    digest: bytes = sha1(data, usedforsecurity=False).digest()
    return digest
