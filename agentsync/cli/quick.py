"""The commands that agents type most, without click: each costs an agent's tool call.

Only their plain forms are read here. Whatever else is on the line (help, an unknown option, `--option=value`, a
missing word) is left to click, which knows it all and explains. A test holds that both know the same options.
"""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each command's options: the field they fill; those in _FLAGS take no value.
_FLAGS = {"--json", "--all", "--force", "--claim"}
OPTIONS = {
    "lock": {"--for": "lease", "--reason": "reason", "--agent": "agent", "--json": "as_json"},
    "unlock": {"--reason": "reason", "--agent": "agent", "--all": "everything", "--force": "force"},
    "task next": {"--claim": "wanted", "--surface": "surface", "--json": "as_json", "--agent": "agent"},
    "task claim": {"--agent": "agent"},
    "task release": {"--agent": "agent"},
    "task done": {"--tokens": "tokens", "--cost": "cost", "--agent": "agent"},
}
# How many plain words each takes.
_WORDS = {"task next": (0, 0), "task claim": (1, 1), "task release": (1, 1), "task done": (0, 1)}


def _read(words: Sequence[str], options: dict[str, str]) -> tuple[list[str], dict[str, str | bool]] | None:
    plain: list[str] = []
    given: dict[str, str | bool] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            plain.append(word)
        elif word not in options:
            return None
        elif word in _FLAGS:
            given[options[word]] = True
        else:
            value = next(rest, None)
            if value is None or value.startswith("-"):
                return None
            given[options[word]] = value
    return plain, given


def run_quick(words: Sequence[str]) -> int | None:
    """Run a plain command line, None when click should read it.

    Raises AgentsyncError, as the command does.
    """
    count = 2 if words[:1] == ["task"] else 1
    name = " ".join(words[:count])
    read = _read(words[count:], OPTIONS[name]) if name in OPTIONS else None
    if read is None:
        return None
    plain, given = read
    least, most = _WORDS.get(name, (0, len(plain)))
    return _run(name, plain, given) if least <= len(plain) <= most else None


def _run(name: str, plain: list[str], given: dict[str, str | bool]) -> int:
    agent = str(given.get("agent", ""))
    if name in ("lock", "unlock"):
        from agentsync.cli.lock_actions import LockOptions, UnlockOptions, run_lock, run_unlock

        if name == "lock":
            return run_lock(tuple(plain), LockOptions(**given))  # type: ignore[arg-type]  # flags are bools, the rest text
        return run_unlock(tuple(plain), UnlockOptions(**given))  # type: ignore[arg-type]  # the same
    from agentsync.cli.task_actions import run_claim, run_done, run_next, run_release

    if name == "task next":
        wanted, as_json = bool(given.get("wanted")), bool(given.get("as_json"))
        return run_next(wanted=wanted, surface=str(given.get("surface", "")), as_json=as_json, agent=agent)
    if name == "task claim":
        return run_claim(plain[0], (), agent)
    if name == "task release":
        return run_release(plain[0], agent)
    return run_done(plain[0] if plain else "", str(given.get("tokens", "")), str(given.get("cost", "")), agent)
