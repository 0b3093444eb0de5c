"""What a renumbering changes inside files, layout by layout. Pure: trees in, contents out."""

from __future__ import annotations

import ast
import base64
import difflib
import hashlib
import json
import re

from agentsync.errors import RefusedError
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.three_way import ConflictError, merge_values
from agentsync.migrations.graph import (
    Node,
    alembic_node,
    assigned,
    dangling,
    descends,
    django_node,
    heads,
    string_pairs,
)
from agentsync.migrations.layouts import number_in
from agentsync.text import show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agentsync.migrations.layouts import Layout, Numbered
    from agentsync.migrations.series import Series

    Tree = Mapping[str, str]  # path to blob id


class Trees(NamedTuple):
    """Base's tip, the merge base and the branch, at and below a series' folder, and how to read a blob by its id."""

    base: Tree
    fork: Tree
    branch: Tree
    read: Callable[[str], bytes]


class Brought(NamedTuple):
    """One migration that a branch brings: its (first) file's name, number, files, and place in an in-file graph."""

    name: str
    number: Numbered
    paths: tuple[str, ...]
    node: Node | None


class Plan(NamedTuple):
    """What to change in the merge of a branch with base.

    `moves`: path on the branch to path after; `copies`: path on the branch to the path where base has landed the
    same migration; `writes`: path after to content; `words`: names to replace in the other files that the branch
    changed; `patterns`: path to a regular expression and what replaces it there.
    """

    series: str = ""
    moves: Mapping[str, str] = {}
    copies: Mapping[str, str] = {}
    writes: Mapping[str, bytes] = {}
    words: Mapping[str, str] = {}
    patterns: Mapping[str, tuple[str, str]] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.moves or self.copies or self.writes)


def refused(series: Series, why: str) -> RefusedError:
    """The refusal to renumber a series."""
    folder = show_path(series.folder.encode("utf-8", "surrogateescape"))
    return RefusedError(f"the migrations of {folder} need a person", why, "agentsync migration check")


def replace_words(text: bytes, words: Mapping[str, str]) -> bytes:
    """All words at once, so that a new name which is another's old one is not replaced again."""
    if not words:
        return text
    known = {old.encode(): new.encode() for old, new in words.items()}
    either = b"|".join(re.escape(old) for old in sorted(known, key=len, reverse=True))
    return re.sub(rb"(?<![\w.-])(" + either + rb")(?![\w-])", lambda found: known[found[1]], text)


class Rewriter:
    """Layouts whose files hold no order of their own: only names within the files follow."""

    keeps_names = False  # whether the order is all in the files, so that nothing is renamed

    def stem(self, name: str) -> str:
        """What other files call a migration."""
        return re.sub(r"(\.(up|down))?\.\w+$", "", name)

    def node(self, series: Series, path: str, content: bytes) -> Node | None:
        """A migration's place in an in-file graph."""
        del series, path, content
        return None

    def body(self, content: bytes) -> bytes:
        """A migration without what a renumbering may change, to tell whether two are the same."""
        return b"\n".join(line.strip() for line in content.splitlines() if line.strip() and not _is_comment(line))

    def ordered(self, own: Sequence[Brought]) -> list[Brought]:
        """The branch's own migrations in the order that they run."""
        return sorted(own, key=lambda one: (one.number.key, one.name))

    def words(self, renamed: Mapping[str, str]) -> dict[str, str]:
        """The words to replace in other files, for stems that changed."""
        return dict(renamed)

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        """The plan with the contents that change; `plan` has moves, copies and words."""
        del series, own
        writes = {}
        for old, new in plan.moves.items():
            content = trees.read(trees.branch[old])
            changed = replace_words(content, plan.words)
            if changed != content:
                writes[new] = changed
        return plan._replace(writes=writes)

    def verify(self, series: Series, merged: Mapping[str, bytes], trees: Trees) -> None:
        """Raise RefusedError where the merged series would not run; `merged` are its migrations' contents."""


def _is_comment(line: bytes) -> bool:
    return line.lstrip().startswith((b"--", b"#", b"//", b"Revis", b"Create Date", b"down_revision", b"revision ="))


class _Typeorm(Rewriter):
    """The class's name ends in the stamp, and other files import it by that name."""

    def words(self, renamed: Mapping[str, str]) -> dict[str, str]:
        return {old[:13]: new[:13] for old, new in renamed.items()}

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        del series, own
        writes = {new: replace_stamps(trees.read(trees.branch[old]), plan.words) for old, new in plan.moves.items()}
        return plan._replace(writes=writes)


def replace_stamps(text: bytes, stamps: Mapping[str, str]) -> bytes:
    """Replace time stamps wherever their digits stand on their own, also at the end of a class's name."""
    known = {old.encode(): new.encode() for old, new in stamps.items()}
    return re.sub(rb"(?<!\d)\d{13}(?!\d)", lambda found: known.get(found[0], found[0]), text)


class _Rails(Rewriter):
    """The dump of the schema names the newest version."""

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        plan = super().complete(series, trees, own, plan)
        newest = max((re.sub(r"\D", "", series.name_of(path)[:14]) for path in plan.moves.values()), default="")
        if len(newest) != 14:
            return plan
        dump = re.sub(r"/?migrate$", "/schema.rb", series.folder)
        version = f"{newest[:4]}_{newest[4:6]}_{newest[6:8]}_{newest[8:]}"
        return plan._replace(patterns={dump: (r"(?<=version: )[\d_]+", version)})


class Place(NamedTuple):
    """Where a migration of the branch goes: what it is now, what it comes after, what all the branch's are called."""

    node: Node
    previous: str
    own: frozenset[str]


class _Graph(Rewriter):
    """Layouts with an in-file graph: the branch's migrations become a line behind base's head."""

    def ordered(self, own: Sequence[Brought]) -> list[Brought]:
        left = super().ordered(own)
        names = {one.node.name for one in left if one.node}
        out: list[Brought] = []
        placed: set[str] = set()
        while left:
            free = [one for one in left if not one.node or not (set(one.node.after) & names) - placed]
            chosen = (free or left)[0]
            left.remove(chosen)
            out.append(chosen)
            placed.add(chosen.node.name if chosen.node else "")
        return out

    def nodes(self, series: Series, contents: Mapping[str, bytes]) -> dict[str, Node]:
        """The graph of some files."""
        found = [self.node(series, path, content) for path, content in contents.items()]
        return {node.name: node for node in found if node}

    def of_tree(self, series: Series, trees: Trees, tree: Tree) -> dict[str, Node]:
        """The graph of a tree."""
        return self.nodes(series, {path: trees.read(blob) for path, blob in tree.items() if is_numbered(series, path)})

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        base = self.of_tree(series, trees, trees.base)
        theirs = {one.node.name: one.node for one in own if one.node}
        merged = {**base, **theirs}
        settled = len(heads(merged)) <= max(1, len(heads(base))) and not _new_dangling(merged, base)
        if settled and not plan.moves and not plan.copies:
            return plan
        writes: dict[str, bytes] = {}
        previous = self.head_for(series, base, own[0].node if own else None, plan.words)
        mine = frozenset(plan.words.get(name, name) for name in theirs)
        for one in own:
            path = plan.moves.get(one.paths[0], one.paths[0])
            content = trees.read(trees.branch[one.paths[0]])
            if one.node is None:
                raise refused(series, f"{one.name} cannot be read as a migration")
            changed = self.placed(series, content, Place(one.node, previous, mine), plan.words)
            if changed != content:
                writes[path] = changed
            node = self.node(series, path, changed)
            previous = node.name if node else previous
        return plan._replace(writes={**writes, **self.beside(series, trees, previous)})

    def head_for(self, series: Series, base: Mapping[str, Node], first: Node | None, words: Mapping[str, str]) -> str:
        """The head of base that the branch's first migration goes behind, empty when base has no migrations.

        Where history left base with several, it is the one that continues what the branch built on.
        """
        known = heads(base)
        after = [words.get(name, name) for name in first.after] if first else []
        continuing = [head for head in known if any(descends(base, head, name) for name in after)]
        if len(known) > 1 and len(continuing) != 1 and self.keeps_names:
            raise refused(series, f"base itself has {len(known)} heads: {', '.join(known[:3])}")
        return max(continuing or known, default="")

    def placed(self, series: Series, content: bytes, place: Place, words: Mapping[str, str]) -> bytes:
        """A migration's content, put where it belongs."""
        raise NotImplementedError

    def beside(self, series: Series, trees: Trees, last: str) -> dict[str, bytes]:
        """Files beside the migrations that name the last one."""
        del series, trees, last
        return {}

    def verify(self, series: Series, merged: Mapping[str, bytes], trees: Trees) -> None:
        base = self.of_tree(series, trees, trees.base)
        now = self.nodes(series, merged)
        if len(heads(now)) > max(1, len(heads(base))):
            raise refused(series, f"the series would have {len(heads(now))} heads: {', '.join(heads(now)[:3])}")
        if wrong := _new_dangling(now, base):
            raise refused(series, f"{wrong[0][0]} would come after {wrong[0][1]}, which is not there")


def _new_dangling(now: Mapping[str, Node], base: Mapping[str, Node]) -> list[tuple[str, str]]:
    known = set(dangling(base))
    return [pair for pair in dangling(now) if pair not in known]


def is_numbered(series: Series, path: str) -> bool:
    """Whether a path is a migration of the series."""
    name = series.name_of(path)
    return bool(name) and number_in(series.layout, name) is not None


def _spliced(content: bytes, spans: Iterable[tuple[ast.expr, str]]) -> bytes:
    """Python source with the text of some expressions replaced (ast counts columns in UTF-8 bytes)."""
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    cuts = sorted(
        (
            starts[node.lineno - 1] + node.col_offset,
            starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0),
            text,
        )
        for node, text in spans
    )
    for begin, end, text in reversed(cuts):
        content = content[:begin] + text.encode() + content[end:]
    return content


def _quoted_like(content: bytes, node: ast.expr, text: str) -> str:
    line = content.splitlines()[node.lineno - 1]
    quote = chr(line[node.col_offset]) if line[node.col_offset : node.col_offset + 1] in (b"'", b'"') else '"'
    return f"{quote}{text}{quote}"


class _Django(_Graph):
    def node(self, series: Series, path: str, content: bytes) -> Node | None:
        return django_node(app_of(series), self.stem(series.name_of(path)), content)

    def body(self, content: bytes) -> bytes:
        text = re.sub(rb"dependencies\s*=\s*\[.*?\]", b"", content, flags=re.DOTALL)
        return super().body(text)

    def placed(self, series: Series, content: bytes, place: Place, words: Mapping[str, str]) -> bytes:
        app = app_of(series)
        module = ast.parse(content)
        spans: list[tuple[ast.expr, str]] = []
        for statement in module.body:
            if not isinstance(statement, ast.ClassDef) or statement.name != "Migration":
                continue
            for field in ("dependencies", "run_before", "replaces"):
                pairs = [pair for pair in string_pairs(assigned(statement.body, field)) if pair.first == app]
                wanted = [words.get(pair.second, pair.second) for pair in pairs]
                if field == "dependencies" and place.previous and pairs and place.previous not in wanted:
                    # what base has is before base's head, so naming the head instead loses nothing
                    at = next((i for i, name in enumerate(wanted) if name not in place.own), 0)
                    wanted[at] = place.previous
                spans += [
                    (pair.node, _quoted_like(content, pair.node, name))
                    for pair, name in zip(pairs, wanted, strict=True)
                    if name != pair.second
                ]
        return _spliced(content, spans)

    def beside(self, series: Series, trees: Trees, last: str) -> dict[str, bytes]:
        path = f"{series.folder}/max_migration.txt"
        return {path: last.encode() + b"\n"} if path in trees.base and last else {}


def app_of(series: Series) -> str:
    """A Django app's label: the folder above its migrations."""
    return series.folder.rpartition("/")[0].rpartition("/")[2]


class _Alembic(_Graph):
    keeps_names = True

    def node(self, series: Series, path: str, content: bytes) -> Node | None:
        del series, path
        return alembic_node(content)

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        base = self.of_tree(series, trees, trees.base)
        if double := [one.node.name for one in own if one.node and one.node.name in base]:
            raise refused(series, f"base has another revision with the id {double[0]}")
        return super().complete(series, trees, own, plan)

    def placed(self, series: Series, content: bytes, place: Place, words: Mapping[str, str]) -> bytes:
        del words
        node, previous, _ = place
        if len(node.after) > 1:
            raise refused(series, f"{node.name} merges {len(node.after)} revisions")
        value = assigned(ast.parse(content).body, "down_revision")
        if not previous or node.after == (previous,):
            return content
        if value is None:
            raise refused(series, f"{node.name} names no down_revision")
        changed = _spliced(content, [(value, _quoted_like(content, value, previous))])
        old = node.after[0] if node.after else "None"
        return re.sub(rb"(?m)^(Revises:[ \t]*)" + re.escape(old.encode()) + rb"[ \t]*$", rb"\g<1>" + previous.encode(),
                      changed, count=1)  # fmt: skip


class _Drizzle(Rewriter):
    """The journal orders by `when`; each snapshot names the one before and holds the whole schema."""

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        path = f"{series.folder}/meta/_journal.json"
        if path not in trees.base or path not in trees.branch or not own:
            return super().complete(series, trees, own, plan)
        before, branch = (json.loads(trees.read(tree[path])) for tree in (trees.base, trees.branch))
        moves = dict(plan.moves)
        writes: dict[str, bytes] = {}
        entries = list(before["entries"])
        last_when = max((entry["when"] for entry in entries), default=0)
        known = {entry["tag"]: entry for entry in branch["entries"]}
        snapshot = self._snapshot(series, trees.base, max((e["idx"] for e in entries), default=-1))
        for one in own:
            tag, fresh = self.stem(one.name), self.stem(series.name_of(plan.moves.get(one.paths[0], one.paths[0])))
            if tag not in known:
                raise refused(series, f"_journal.json of the branch does not name {tag}")
            last_when = max(known[tag]["when"], last_when + 1)
            old = self._snapshot(series, trees.branch, known[tag]["idx"])
            entries.append({**known[tag], "idx": len(entries), "tag": fresh, "when": last_when})
            if old and snapshot:
                new = f"{series.folder}/meta/{fresh[:4]}_snapshot.json"
                writes[new] = self._rebased(series, trees, old, snapshot, writes)
                if new != old:
                    moves[old] = new
                snapshot = new
        journal = json.dumps({**before, "entries": entries}, indent=2, ensure_ascii=False).encode()
        writes[path] = journal + (b"\n" if trees.read(trees.base[path]).endswith(b"\n") else b"")
        same = {place: text for place, text in writes.items() if text != self._present(trees, place, moves)}
        return plan._replace(moves=moves, writes=same)

    @staticmethod
    def _present(trees: Trees, place: str, moves: Mapping[str, str]) -> bytes | None:
        blob = trees.branch.get(place, "")
        return trees.read(blob) if blob and place not in moves.values() else None

    @staticmethod
    def _snapshot(series: Series, tree: Tree, index: int) -> str:
        path = f"{series.folder}/meta/{index:04}_snapshot.json"
        return path if path in tree else ""

    @staticmethod
    def _rebased(series: Series, trees: Trees, old: str, previous: str, writes: Mapping[str, bytes]) -> bytes:
        """The branch's snapshot on top of the one before it now."""
        text = trees.read(trees.branch[old])
        mine = json.loads(text)
        onto = json.loads(writes[previous] if previous in writes else trees.read(trees.base[previous]))
        candidates = [
            path for path in trees.branch if path.endswith("_snapshot.json") and path.startswith(series.folder)
        ]
        started = next(
            (
                known
                for path in candidates
                if (known := json.loads(trees.read(trees.branch[path])))["id"] == mine["prevId"]
            ),
            None,
        )
        if started is None:
            raise refused(series, f"no snapshot is the predecessor of {old}")
        hidden = {"id": "", "prevId": ""}
        try:
            merged = merge_values({**started, **hidden}, {**onto, **hidden}, {**mine, **hidden})
        except ConflictError as error:
            raise refused(series, f"both changed the same part of the schema: {error}") from None
        assert isinstance(merged, dict)  # noqa: S101 (three maps merge to a map)
        rebased = {key: {**merged, "id": mine["id"], "prevId": onto["id"]}[key] for key in [*mine, *merged]}
        tail = b"\n" if text.endswith(b"\n") else b""
        return json.dumps(rebased, indent=2, ensure_ascii=False).encode() + tail


class _Liquibase(Rewriter):
    """The master file includes the others in their order; numbered changeSet ids follow their file's number."""

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        writes = {}
        for old, new in plan.moves.items():
            content = trees.read(trees.branch[old])
            before, after = (number_in(series.layout, series.name_of(path)) for path in (old, new))
            changed = replace_words(content, plan.words)
            if before and after:
                pattern = rb"(\bid\s*[=:]\s*[\"']?)" + re.escape(before.text.encode()) + rb"(?=[-_.\"'])"
                changed = re.sub(pattern, rb"\g<1>" + after.text.encode(), changed)
            if changed != content:
                writes[new] = changed
        names = [series.name_of(path).encode() for one in own for path in one.paths]
        for master in trees.base:
            if trees.base[master] == trees.fork.get(master) or trees.branch.get(master) in (None, trees.base[master]):
                continue
            text = self._master(trees, master, names, plan)
            if text:
                writes[master] = text
        return plan._replace(writes=writes)

    @staticmethod
    def _master(trees: Trees, path: str, names: Sequence[bytes], plan: Plan) -> bytes:
        """Base's master file with the branch's includes behind its own; empty where more than includes changed."""
        if path not in trees.fork:
            return b""
        sides = (trees.fork, trees.branch, trees.base)
        fork, branch, base = (trees.read(side[path]).splitlines(keepends=True) for side in sides)
        changes = list(_line_changes(fork, branch))
        added = [line for sign, line in changes if sign == "+"]
        if not added or len(added) != len(changes) or not all(any(name in line for name in names) for line in added):
            return b""
        last = max((i for i, line in enumerate(base) if b"include" in line), default=-1)
        if last < 0:
            return b""
        return b"".join([*base[: last + 1], *(replace_words(line, plan.words) for line in added), *base[last + 1 :]])


def _line_changes(old: list[bytes], new: list[bytes]) -> Iterable[tuple[str, bytes]]:
    """The lines that differ, each with `-` or `+`."""
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from (("-", line) for line in old[a:b])
            yield from (("+", line) for line in new[c:d])


class _Atlas(Rewriter):
    """`atlas.sum` holds a running hash over all files in their order."""

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        plan = super().complete(series, trees, own, plan)
        path = f"{series.folder}/atlas.sum"
        files = {p: trees.read(b) for p, b in trees.base.items() if is_numbered(series, p)}
        for one in own:
            for old in one.paths:
                new = plan.moves.get(old, old)
                files[new] = plan.writes.get(new, trees.read(trees.branch[old]))
        text = atlas_sum({series.name_of(place): content for place, content in files.items()})
        if path not in trees.base or (path in trees.branch and trees.read(trees.branch[path]) == text):
            return plan
        return plan._replace(writes={**plan.writes, path: text})


def atlas_sum(files: Mapping[str, bytes]) -> bytes:
    """The content of `atlas.sum` for a directory (atlasgo.io, "migration directory integrity")."""
    running, rows = hashlib.sha256(), []
    for name in sorted(files):
        running.update(name.encode())
        if b"atlas:sum ignore" in files[name]:
            continue
        running.update(files[name])
        rows.append((name, "h1:" + base64.b64encode(running.digest()).decode()))
    total = hashlib.sha256("".join(name + row for name, row in rows).encode()).digest()
    lines = ["h1:" + base64.b64encode(total).decode(), *(f"{name} {row}" for name, row in rows)]
    return ("\n".join(lines) + "\n").encode()


_REWRITERS: dict[str, Rewriter] = {
    "django": _Django(),
    "alembic": _Alembic(),
    "rails": _Rails(),
    "drizzle": _Drizzle(),
    "liquibase": _Liquibase(),
    "atlas": _Atlas(),
    "typeorm": _Typeorm(),
}
_PLAIN = Rewriter()


def rewriter_of(layout: Layout) -> Rewriter:
    """How a layout's files change."""
    return _REWRITERS.get(layout.name, _PLAIN)
