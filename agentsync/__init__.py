"""Git hooks that keep several AI coding agents, each in its own worktree, from stepping on each other."""

__version__ = "0.1.0"
