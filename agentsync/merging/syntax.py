"""Whether a file parses: Python by its own parser, others by tree-sitter where the extra `syntax` is installed."""

from __future__ import annotations

import ast
import importlib
import json
import tomllib
from functools import cache

from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Parser

_GRAMMARS = {
    ".js": ("tree_sitter_javascript", "language"),
    ".jsx": ("tree_sitter_javascript", "language"),
    ".mjs": ("tree_sitter_javascript", "language"),
    ".cjs": ("tree_sitter_javascript", "language"),
    ".ts": ("tree_sitter_typescript", "language_typescript"),
    ".tsx": ("tree_sitter_typescript", "language_tsx"),
    ".go": ("tree_sitter_go", "language"),
    ".css": ("tree_sitter_css", "language"),
    ".rs": ("tree_sitter_rust", "language"),
    ".rb": ("tree_sitter_ruby", "language"),
}


def suffix_of(path: str) -> str:
    """A path's extension with its dot, lower case; empty without one."""
    name = path.rpartition("/")[2]
    return "." + name.rpartition(".")[2].lower() if "." in name[1:] else ""


@cache
def _parser(suffix: str) -> Parser | None:
    if suffix not in _GRAMMARS:
        return None
    module, function = _GRAMMARS[suffix]
    try:
        core, grammar = importlib.import_module("tree_sitter"), importlib.import_module(module)
    except ImportError:
        return None
    parser: Parser = core.Parser(core.Language(getattr(grammar, function)()))
    return parser


def parses(path: str, content: bytes) -> bool | None:
    """Whether a file's content parses; None where nothing here can tell."""
    suffix = suffix_of(path)
    try:
        if suffix in (".py", ".pyi"):
            ast.parse(content)
            return True
        if suffix == ".json":
            json.loads(content)
            return True
        if suffix == ".toml":
            tomllib.loads(content.decode())
            return True
    except (SyntaxError, ValueError, RecursionError):
        return False
    parser = _parser(suffix)
    return None if parser is None else not parser.parse(content).root_node.has_error
