"""TASKS.md: read tolerantly, edited in place, every other byte left alone. Pure.

Written form: `- [ ] **T-012** Title @agent` with nested `- files:`, `- depends:`, `- type:` bullets. Read as
well: Spec Kit's `T001`, `#12`, `1.2`, Obsidian's `🆔 x`, `[id:: x]` and `⛔ x`, `(depends on x)`, other marks.
"""

from __future__ import annotations

import re

from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = "TASKS.md"
_ID = r"[A-Za-z][A-Za-z0-9]*-\d+(?:\.\d+)*|[A-Z]\d+(?:\.\d+)*|#\d+|\d+(?:\.\d+)+"
_TASK = re.compile(r"^(?P<indent>[ \t]*)(?P<bullet>[-*+]|\d+[.)])[ \t]+\[(?P<mark>[^\]\r\n])\](?P<rest>[ \t].*)?$")
_LEADING_ID = re.compile(rf"^(?:\*\*|`|__)?(?P<id>{_ID})(?:\*\*|`|__)?:?(?=[\s:]|$)")
_INLINE_ID = re.compile(r"\[id::\s*(?P<a>[^\]\s]+)\s*\]|🆔\s*(?P<b>[^\s,]+)")
_FLAGS = re.compile(r"^(?:\[(?:P|US\d+)\]|\([A-Z]\))\s+")
_AGENT = re.compile(r"(?:^|\s)@(?P<agent>(?:human:)?[A-Za-z0-9][\w./-]*)\s*$")
_INLINE_DEPENDS = re.compile(r"\[dependsOn::\s*([^\]]+)\]|\(depends on ([^)]+)\)|⛔\s*([^\s]+)", re.IGNORECASE)
_FIELD = re.compile(r"^[ \t]+[-*+][ \t]+(?P<key>[A-Za-z-]+)[ \t]*:[ \t]*(?P<value>.*)$")
_PHASE = re.compile(r"^#{1,6}[ \t]+Phase[ \t:]+(?P<phase>.+?)[ \t#]*$", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(```|~~~)")
_BOM = "\ufeff"


class Task(NamedTuple):
    """One task: `line` is its line's index; `done` and `cancelled` come from its mark; `agent` may be empty.

    `surface`: where the work is done if not in files, such as `desktop`.
    """

    id: str
    title: str
    mark: str
    agent: str
    files: tuple[str, ...]
    depends: tuple[str, ...]
    kind: str
    phase: str
    line: int
    has_id: bool
    surface: str = ""

    @property
    def done(self) -> bool:
        """Ticked off."""
        return self.mark in "xX"

    @property
    def open(self) -> bool:
        """Neither done nor cancelled."""
        return self.mark not in "xX-"


def decode(data: bytes) -> str:
    """The file as text; what is not UTF-8 survives the way back through `encode`."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The reverse of `decode`."""
    return text.encode("utf-8", "surrogateescape")


def slug(title: str) -> str:
    """What a task without an id answers to."""
    words = re.findall(r"[a-z0-9]+", title.lower())
    return "-".join(words)[:60].strip("-")


def _items(text: str) -> tuple[str, ...]:
    """The words of a list: in backticks, or parted by commas or blanks."""
    return tuple(quoted or plain for quoted, plain in re.findall(r"`([^`]+)`|([^\s,`]+)", text))


def _parse_line(line: str) -> dict[str, str] | None:
    match = _TASK.match(line.lstrip(_BOM))
    if not match:
        return None
    rest = (match["rest"] or "").strip()
    agent = _AGENT.search(rest)
    body = rest[: agent.start()].rstrip() if agent else rest
    leading = _LEADING_ID.match(body)
    inline = _INLINE_ID.search(body)
    name = leading["id"] if leading else (inline["a"] or inline["b"]) if inline else ""
    title = body[leading.end() :].strip() if leading else body
    if inline:
        title = _INLINE_ID.sub("", title).strip()
    depends = ",".join(part for found in _INLINE_DEPENDS.findall(title) for part in found if part)
    title = _INLINE_DEPENDS.sub("", title).strip()
    while flags := _FLAGS.match(title):
        title = title[flags.end() :]
    return {"id": name, "title": title, "mark": match["mark"], "agent": agent["agent"] if agent else "",
            "depends": depends}  # fmt: skip


def split_lines(text: str) -> list[str]:
    """Lines with their ends; only line feeds end a line, so that joining gives the text back."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def hidden(lines: list[str]) -> list[bool]:
    """Which lines are in a code block or in an HTML comment that begins a line, so that they say nothing."""
    found = []
    fence, commented = "", False
    for line in lines:
        bare = line.strip(_BOM + " \t\r\n")
        mark = _FENCE.match(bare) if not commented else None
        starts = bare.startswith("<!--") and not fence
        found.append(bool(mark or fence or commented or starts))
        if mark and fence in ("", mark[1]):
            fence = "" if fence else mark[1]
        commented = (commented or starts) and "-->" not in bare
    return found


def parse(text: str) -> list[Task]:
    """The tasks of a TASKS.md, in order; code blocks and comments are passed over."""
    tasks: list[Task] = []
    phase, current = "", -1
    lines = split_lines(text)
    unseen = hidden(lines)
    for number, line in enumerate(lines):
        bare = line.rstrip("\r\n")
        if unseen[number]:
            continue
        found = _parse_line(bare)
        if found:
            name = found["id"] or slug(found["title"])
            if not name:
                continue
            tasks.append(
                Task(name, found["title"], found["mark"], found["agent"], (), _items(found["depends"]), "", phase,
                     number, bool(found["id"]))
            )  # fmt: skip
            current = len(tasks) - 1
        elif (field := _FIELD.match(bare)) and current >= 0:
            tasks[current] = _with_field(tasks[current], field["key"].lower(), field["value"].strip())
        elif heading := _PHASE.match(bare):
            phase, current = heading["phase"].lower(), -1
        elif bare.startswith("#"):
            current = -1
    return tasks


def _with_field(task: Task, key: str, value: str) -> Task:
    if key in ("files", "file", "scope"):
        return task._replace(files=(*task.files, *_items(value)))
    if key in ("depends", "depends-on", "after"):
        return task._replace(depends=(*task.depends, *_items(value)))
    if key in ("type", "kind"):
        return task._replace(kind=value)
    if key == "surface":
        return task._replace(surface=value.lower())
    return task


def duplicates(tasks: list[Task]) -> list[str]:
    """Ids that stand more than once."""
    seen: dict[str, int] = {}
    for task in tasks:
        seen[task.id.lower()] = seen.get(task.id.lower(), 0) + 1
    return [name for name, count in seen.items() if count > 1]


def find(tasks: list[Task], name: str) -> Task | None:
    """The task that a person or agent means by `name`: its id, or its title's slug; case does not matter."""
    wanted = name.strip().strip("*`").lower()
    return next((t for t in tasks if t.id.lower() == wanted), None) or next(
        (t for t in tasks if slug(t.title) == wanted), None
    )


def mark_done(text: str, task: Task, agent: str) -> str:
    """The text with one task ticked off, by `agent`; nothing else changes."""
    lines = split_lines(text)
    line = lines[task.line]
    body = line.rstrip("\r\n")
    end = line[len(body) :]
    opening = body.index("[")
    body = f"{body[: opening + 1]}x{body[opening + 2 :]}"
    if not _AGENT.search(body):
        body = f"{body.rstrip()} @{agent}"
    lines[task.line] = body + end
    return "".join(lines)


def added(text: str, name: str, title: str, files: tuple[str, ...], depends: tuple[str, ...], surface: str = "") -> str:
    """The text with a task at its end, a blank line before it: neighbours then merge without a conflict."""
    end = "\r\n" if "\r\n" in text else "\n"
    start = text or f"# Tasks{end}"
    if not start.endswith("\n"):
        start += end
    rows = [f"- [ ] **{name}** {title}"]
    if files:
        rows.append("  - files: " + ", ".join(f"`{item}`" for item in files))
    if depends:
        rows.append("  - depends: " + ", ".join(depends))
    if surface:
        rows.append(f"  - surface: {surface}")
    return start + end + "".join(row + end for row in rows)


def next_id(known: Iterable[str]) -> str:
    """A free id in the style of those that are there."""
    ids = list(known)
    numbers = [int(m[1]) for one in ids if (m := re.fullmatch(r"T-?(\d+)", one))]
    dash = "" if any(re.fullmatch(r"T\d+", one) for one in ids) else "-"
    return f"T{dash}{max(numbers, default=0) + 1:03d}"
