"""The settings as documents: a JSON schema for editors, and the table in docs/configuration.md. Pure."""

from __future__ import annotations

import json

from agentsync.config.schema import PROFILES, SERIES_KEYS, SETTINGS, Setting

_TYPES: dict[str, dict[str, object]] = {
    "duration": {"type": ["string", "integer"], "pattern": "^[0-9]+[smhd]?$"},
    "count": {"type": "integer", "minimum": 0},
    "patterns": {"type": "array", "items": {"type": "string"}},
    "text": {"type": "string"},
    "flag": {"type": "boolean"},
}


def _property(setting: Setting) -> dict[str, object]:
    facts = {"enum": list(setting.choices)} if setting.kind == "choice" else dict(_TYPES[setting.kind])
    default = {} if setting.default == "" else {"default": setting.default}
    return {**facts, "description": setting.comment, **default}


def json_schema() -> str:
    """The JSON schema of `agentsync.toml`."""
    properties: dict[str, object] = {}
    tables: dict[str, dict[str, object]] = {}
    for setting in SETTINGS:
        above, _, name = setting.key.rpartition(".")
        target = tables.setdefault(above, {}) if above else properties
        target[name] = _property(setting)
    for above, inside in tables.items():
        properties[above] = {"type": "object", "additionalProperties": False, "properties": inside}
    series = {key: dict(_TYPES[kind]) for key, kind in SERIES_KEYS.items()}
    properties["migrations"] = {
        "type": "array",
        "items": {"type": "object", "additionalProperties": False, "required": ["path"], "properties": series},
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "agentsync.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    return json.dumps(schema, indent=2) + "\n"


def _shown(value: object) -> str:
    return "as the profile says" if value == "" else f"`{json.dumps(value)}`"


def settings_page() -> str:
    """docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "`agentsync.toml` in the repository's root, or `[tool.agentsync]` in pyproject.toml.",
        "Gates read **base's** file (its upstream's, unless the local base contains that), so a branch can neither",
        "lack nor loosen it; until base has one, the copy that `init` made counts. Unknown keys and wrong types are",
        "errors that name the line: refused at the commit that brings them, named by `doctor` and `check`; where base",
        "has one, the settings before it stay in force. Patterns are gitignore's, read as git reads them; no lease is",
        "longer than 30 days. Editors know the file by [its JSON schema](agentsync.schema.json).",
        "",
        "| key | default | |",
        "|---|---|---|",
    ]
    lines += [f"| `{one.key}` | {_shown(one.default)} | {one.comment} |" for one in SETTINGS]
    lines += [
        "",
        "Base is the branch that `init` found or was told (`git config agentsync.base`), else the remote's default",
        "branch, else `main` or `master`; never the branch that happens to be checked out. Where nobody can tell,",
        "`check`, `init` and `doctor` say so.",
        "",
        "## Profiles",
        "",
        "Weeks of adoption: begin with `solo`, where all only warns, journalled as what it would refuse.",
        "",
        "| profile | " + " | ".join(next(iter(PROFILES.values()))) + " |",
        "|---|" + "---|" * len(next(iter(PROFILES.values()))),
    ]
    lines += [f"| `{name}` | " + " | ".join(levels.values()) + " |" for name, levels in PROFILES.items()]
    lines += [
        "",
        "## Migrations",
        "",
        "Series are detected. A `[[migrations]]` table with a `path` overrides: `layout` (a tool's name), `width`",
        "(digits), `pattern` (a Python regular expression of file names, with groups `n` and perhaps `kind`), `pair`",
        "(down files are needed), `checksum` (edits of landed ones are refused).",
    ]
    return "\n".join(lines) + "\n"
