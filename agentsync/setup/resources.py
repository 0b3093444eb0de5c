"""The files that are installed elsewhere: `hooks/` and `templates/`, in a wheel or beside the package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_DATA = _PACKAGE / "_data"
ROOT = _DATA if _DATA.is_dir() else _PACKAGE.parent  # an editable install has them at the checkout's top
HOOKS = ROOT / "hooks"
TEMPLATES = ROOT / "templates"
LIBRARY = _PACKAGE.parent  # what a hook puts on `sys.path`
