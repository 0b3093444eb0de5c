"""The `agentsync` command."""

from __future__ import annotations

import os
import sys

from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; hooks take a way of their own that loads nothing else."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["git-hook"]:
        from agentsync.gates.framework import run_from_framework

        return run_from_framework(words[1:], dict(os.environ))
    if words[:1] == ["merge-driver"]:
        from agentsync.drivers.main import main as merge

        return merge(words[1:])
    from agentsync.cli.output import report
    from agentsync.cli.quick import run_quick
    from agentsync.errors import AgentsyncError

    try:
        code = run_quick(words)
    except AgentsyncError as error:
        report(error, as_json="--json" in words)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    if code is not None:
        return code
    from agentsync.cli.app import run

    return run(words)


if __name__ == "__main__":
    sys.exit(main())
