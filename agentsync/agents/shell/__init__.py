"""What a shell command would do to locks and hooks, read without running it. Pure.

Few and sure: what cannot be read for certain is let through, for the git gates stand behind it.
"""
