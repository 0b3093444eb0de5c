"""Which machine, since which boot, and which process on it: only of one's own can the end be known for sure."""

from __future__ import annotations

import os

from agentsync.git.repo import read_line
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.record import number_of, text_of

if TYPE_CHECKING:
    from agentsync.record import Record


class Machine(NamedTuple):
    """A machine by its name and the id of its boot, which is empty where the system has none."""

    host: str
    boot: str


class Process(NamedTuple):
    """A process of a machine; its number counts in `space`, for an agent's sandbox may have its own."""

    machine: Machine
    space: str
    pid: int

    @property
    def can_be_seen(self) -> bool:
        """Whether its end would show here; another machine's does not, nor one's in another sandbox."""
        return (self.machine, self.space) == (this_machine(), _number_space())

    @property
    def is_alive(self) -> bool:
        """Whether a process of this number runs, of one that can be seen."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


_this: list[Machine] = []  # read once: it does not change under a process


def this_machine() -> Machine:
    """The machine that this runs on."""
    if not _this:
        _this.append(Machine(os.uname().nodename, read_line("/proc/sys/kernel/random/boot_id")))
    return _this[0]


def _number_space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def machine_record() -> Record:
    """What a record keeps of this machine."""
    return dict(this_machine()._asdict())


def process_record() -> Record:
    """What a record keeps of this process."""
    return {"pid": os.getpid(), "space": _number_space(), **machine_record()}


def machine_of(record: Record) -> Machine:
    """The machine that a record names."""
    return Machine(text_of(record, "host"), text_of(record, "boot"))


def process_of(record: Record) -> Process:
    """The process that a record names."""
    return Process(machine_of(record), text_of(record, "space"), number_of(record, "pid"))
