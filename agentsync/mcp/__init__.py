"""The same operations as tools of the Model Context Protocol, for agents with no shell or no worktree."""
