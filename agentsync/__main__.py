"""`python -m agentsync` is the `agentsync` command."""

import sys

from agentsync.cli.main import main

sys.exit(main())
