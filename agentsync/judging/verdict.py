"""What a gate found, and what it takes for the commit it judges. Pure."""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentsync.config.schema import Config
    from agentsync.git.objects import Change
    from agentsync.record import Record


class Finding(NamedTuple):
    """Something that a rule objects to: the rule's name in `[enforce]`, and the lines to print.

    `told` findings never refuse: whoever commits should only know. `level` is how grave one is whose rule's setting
    speaks of something else; empty for as grave as the setting says.
    """

    rule: str
    lines: tuple[str, ...]
    path: bytes = b""
    told: bool = False
    level: str = ""

    def severity(self, config: Config) -> str:
        """`off`, `warn` or `refuse`."""
        return self.level or config.level(self.rule)


def firm(config: Config) -> str:
    """The level of what `[enforce]` has no setting for: it refuses, but where the profile only warns."""
    return "warn" if config.text("profile") == "solo" else "refuse"


class Transition(NamedTuple):
    """One step of a branch to judge: what changed against the first parent.

    `parents` are commits; `commit` is empty while the commit does not exist yet; `amending` tells that the true
    parents may be those of the first parent.
    """

    parents: tuple[str, ...]
    changes: Sequence[Change]
    commit: str = ""
    amending: bool = False


class Verdict(NamedTuple):
    """What several rules found, and the records that the state must have for the commit to stand.

    `concerned`: the state has a part in it, so that the deciding gate must look again when the commit exists.
    """

    findings: tuple[Finding, ...] = ()
    records: Mapping[bytes, Record | None] = {}
    trailers: tuple[str, ...] = ()
    concerned: bool = False


def joined(verdicts: Sequence[Verdict]) -> Verdict:
    """Several verdicts as one."""
    records: dict[bytes, Record | None] = {}
    for verdict in verdicts:
        records.update(verdict.records)
    findings = tuple(finding for verdict in verdicts for finding in verdict.findings)
    trailers = tuple(dict.fromkeys(trailer for verdict in verdicts for trailer in verdict.trailers))
    return Verdict(findings, records, trailers, any(verdict.concerned for verdict in verdicts))
