"""The rules of migration numbers. Pure: names in, problems out."""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.migrations.layouts import is_candidate, number_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from agentsync.migrations.layouts import Layout, Numbered


class Problem(NamedTuple):
    """What is wrong with a migration that a branch brings: its name, why, and what to type; empty: a new number."""

    name: str
    why: str
    command: str = ""


def stem(name: str) -> str:
    """A migration's name without what tells up from down: a pair has one stem."""
    for mark in (".up.", ".down."):
        name = name.replace(mark, ".")
    return name[1:] if name[:1] in "UV" and name[1:2].isdigit() else name


def problems(
    layout: Layout,
    brought: Collection[str],
    base: Mapping[str, Numbered],
    others: Mapping[str, tuple[Numbered, str]],
    *,
    landing: bool,
) -> list[Problem]:
    """What is wrong with the migrations `brought` to those of base.

    `others` are names that other holders reserved or committed, with who they are; the same name there is the same
    migration. History's own duplicates are not judged. `landing` asks for the order too: a number that is older
    than base's newest would be `layout.late`, unless a graph in the files says the order.
    """
    found: list[Problem] = []
    own: dict[tuple[int, ...], str] = {}
    newest = max((number.key for number in base.values()), default=())
    for name in sorted(brought):
        number = number_in(layout, name)
        if number is None:
            if is_candidate(layout, name):
                found.append(Problem(name, f"{layout.name} would ignore a file of this name"))
            continue
        if not number.key:
            continue
        clash = _same_number(number, name, base)
        if clash:
            found.append(Problem(name, f"base has {clash} with this number"))
        elif own.setdefault((*number.key,), stem(name)) != stem(name):
            found.append(Problem(name, f"{own[number.key]} has this number too"))
        elif holder := _held_by_others(number, name, others):
            found.append(Problem(name, holder))
        elif landing and not layout.graph and newest and number.key < newest:
            effect = {"error": "stops", "skipped": "skips it for ever", "late": "runs it late"}
            why = f"base has newer ones, and {layout.name} {effect.get(layout.late, 'may not run it')}"
            found.append(Problem(name, why))
    return found


def _same_number(number: Numbered, name: str, base: Mapping[str, Numbered]) -> str:
    return next((other for other, known in base.items() if known.key == number.key and stem(other) != stem(name)), "")


def _held_by_others(number: Numbered, name: str, others: Mapping[str, tuple[Numbered, str]]) -> str:
    for other, (known, holder) in others.items():
        if known.key == number.key and stem(other) != stem(name):
            return f"{holder} has this number for {other}"
    return ""


def missing_downs(layout: Layout, brought: Collection[str], present: Collection[str]) -> dict[str, str]:
    """Paths of up files that come without their down file, each with the path that it should have."""
    downs = {path: f"{path.rpartition('/')[0]}/{layout.down}" for path in brought if path.endswith("/up.sql")}
    downs |= {path: path.replace(".up.", layout.down) for path in brought if ".up." in path and not layout.folders}
    return {up: down for up, down in sorted(downs.items()) if down not in present}
