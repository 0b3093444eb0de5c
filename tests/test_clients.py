"""Agents' settings files: ours put in and taken out, every other byte left alone."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from conftest import Tree
from hypothesis import given
from hypothesis import strategies as st

from agentsync.setup.clients import aider, splice
from agentsync.setup.clients.install import with_hooks, without_hooks
from agentsync.setup.clients.table import CLIENTS
from agentsync.setup.resources import TEMPLATES

WITH_HOOKS = [one for one in CLIENTS.values() if one.hooks]
EVENTS = sorted({event for one in WITH_HOOKS for event, _ in one.hooks})

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.text(max_size=6), inner, min_size=1),
    max_leaves=8,
)
foreign = st.fixed_dictionaries({"matcher": st.text(max_size=5)}, optional={
    "hooks": st.just([{"type": "command", "command": "mine"}]), "command": st.just("true")})  # fmt: skip
hooks = st.dictionaries(st.sampled_from(EVENTS), st.lists(foreign, min_size=1, max_size=2), min_size=1)
documents = st.dictionaries(st.text(max_size=6).filter(lambda key: key not in ("hooks", "version")), plain, min_size=1)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A settings file of somebody's, in any usual style."""
    value = draw(documents)
    if draw(st.booleans()):
        value["hooks"] = draw(hooks)
    value["version"] = 1
    indent = draw(st.sampled_from([None, 2, 4, "\t"]))
    text = json.dumps(value, indent=indent, ensure_ascii=draw(st.booleans()))
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return text + draw(st.sampled_from(["", "\n"]))


@given(text=texts(), client=st.sampled_from(WITH_HOOKS))
def test_what_is_put_in_leaves_the_rest_and_comes_out_again(text: str, client) -> None:
    done = with_hooks(client, text)
    assert with_hooks(client, done) == done
    assert without_hooks(done) == text
    before, after = json.loads(text), json.loads(done)
    for event, entry in client.hooks:
        assert after["hooks"][event] == [*before.get("hooks", {}).get(event, []), entry]
    assert {key: value for key, value in after.items() if key != "hooks"} == {
        key: value for key, value in before.items() if key != "hooks"
    }


@pytest.mark.parametrize("client", WITH_HOOKS, ids=lambda one: one.name)
def test_an_older_entry_is_replaced_and_none_stands_twice(client) -> None:
    done = with_hooks(client, "")
    older = done.replace('"timeout": 10', '"timeout": 99').replace('"timeoutSec": 10', '"timeoutSec": 99')
    assert json.loads(with_hooks(client, older)) == json.loads(done)
    assert done.count(f"agentsync-hook {client.name}") == len(client.hooks)


def test_what_somebody_adds_after_ours_moves_nothing() -> None:
    done = splice.append(with_hooks(CLIENTS["claude"], ""), ["hooks", "Stop"], {"hooks": [{"command": "mine"}]})
    assert with_hooks(CLIENTS["claude"], done) == done


@pytest.mark.parametrize("text", ["// c\n{}", "[]", "{", '{"hooks": []}', '{"hooks": {"PreToolUse": {}}}', "\ufeff{}"])
def test_what_is_of_another_shape_is_left_alone(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        with_hooks(CLIENTS["claude"], text)


@given(
    st.lists(st.sampled_from(["model: x", "# read: a", "read: b", "git-commit-verify: true", "auto-commits: false"]))
)
def test_aiders_lines_are_added_once_and_taken_out(rows: list[str]) -> None:
    text = "".join(row + "\n" for row in rows)
    done, left = aider.put(text)
    assert aider.put(done) == (done, left)
    assert aider.take_out(done) == text
    assert ("read: [AGENTS.md]" in left) == ("read: b" in rows)


def test_init_sets_up_the_clients_that_it_is_told(bare_tree: Tree) -> None:
    names = "claude,codex,cursor,gemini,copilot,aider"
    bare_tree.write(".claude/settings.json", '{\n    "model": "x"\n}\n')
    done = bare_tree.sync("init", "--yes", "--agents", names)
    assert done.code == 0, done
    for path in (".claude/settings.json", ".codex/hooks.json", ".cursor/hooks.json", ".gemini/settings.json",
                 ".github/hooks/agentsync.json", ".aider.conf.yml", "GEMINI.md"):  # fmt: skip
        assert path in done.out
        assert path in done.err, "it is named among the files to commit"
        assert (bare_tree.path / path).exists()
    assert "/hooks" in done.err, "Codex wants an approval"
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "agentsync")
    bare_tree.synced("init", "--yes", "--agents", names)
    assert bare_tree.ok("status", "--porcelain") == ""
    shown = bare_tree.synced("doctor")
    for name in names.split(","):
        assert f"ok   {name}: " in shown
    bare_tree.synced("uninstall", "--yes")
    assert bare_tree.read(".claude/settings.json") == '{\n    "model": "x"\n}\n'
    for path in (".codex/hooks.json", ".cursor/hooks.json", ".gemini/settings.json", ".github/hooks/agentsync.json",
                 ".aider.conf.yml"):  # fmt: skip
        assert not (bare_tree.path / path).exists()


def test_the_plugin_has_the_hooks_of_the_settings_and_the_skill_is_installed_whole(bare_tree: Tree) -> None:
    """Claude Code runs a handler once that stands in a plugin and in the settings word for word."""
    plugin = TEMPLATES / "claude-plugin"
    given = json.loads((plugin / "hooks/hooks.json").read_text())["hooks"]
    assert given == {event: [entry] for event, entry in CLIENTS["claude"].hooks}
    for name in (".claude-plugin/plugin.json", ".mcp.json"):
        json.loads((plugin / name).read_text())
    skill = (plugin / "skills/agentsync/SKILL.md").read_text()
    assert skill.startswith("---\nname: agentsync\ndescription: ")
    assert len(skill.split("---")[1]) < 1024
    bare_tree.synced("init", "--yes", "--agents", "skill")
    assert bare_tree.read(".agents/skills/agentsync/SKILL.md") == skill
    assert "ok   skill" in bare_tree.synced("doctor")
    bare_tree.synced("uninstall", "--yes")
    assert not (bare_tree.path / ".agents/skills/agentsync/SKILL.md").exists()


@pytest.mark.parametrize("text", ["{}\n", "{ }\n", "", '{"version": 1, "hooks": {}}\n', '{"hooks": {"stop": []}}'])
def test_what_was_there_before_comes_back_just_so(text: str, bare_tree: Tree) -> None:
    bare_tree.write(".cursor/hooks.json", text)
    bare_tree.synced("init", "--yes", "--agents", "cursor")
    assert "agentsync-hook" in bare_tree.read(".cursor/hooks.json")
    bare_tree.synced("uninstall", "--yes")
    assert bare_tree.read(".cursor/hooks.json") == text


def test_a_skill_of_somebody_elses_stays(bare_tree: Tree) -> None:
    bare_tree.write(".agents/skills/agentsync/SKILL.md", "mine\n")
    bare_tree.synced("init", "--yes", "--agents", "skill")
    bare_tree.synced("uninstall", "--yes")
    assert bare_tree.read(".agents/skills/agentsync/SKILL.md") == "mine\n"


def test_entries_under_the_wrong_events_are_put_right() -> None:
    done = with_hooks(CLIENTS["claude"], "")
    moved = done.replace('"PreToolUse"', '"Elsewhere"')
    assert json.loads(with_hooks(CLIENTS["claude"], moved)) == json.loads(done)


@pytest.mark.parametrize("text", ["{model: x}\n", "  model: x\n  y: 1\n", "model: x\n...\n", "- a\n- b\n"])
def test_another_form_of_yaml_is_left_alone(text: str) -> None:
    assert aider.put(text) == (text, list(aider.SETTINGS))


@pytest.mark.parametrize("text", ['"read": A.md\n', "read : A.md\n", "git-commit-verify : false\n"])
def test_a_key_is_a_key_however_it_is_written(text: str) -> None:
    done, left = aider.put(text)
    assert len(left) == 1
    assert aider.take_out(done) == text


def test_clients_are_detected_by_their_folders(bare_tree: Tree) -> None:
    (bare_tree.path / ".cursor").mkdir()
    home = Path(bare_tree.environ["HOME"])
    (home / ".codex").mkdir()
    out = bare_tree.synced("init", "--dry-run")
    assert ".cursor/hooks.json" in out
    assert ".codex/hooks.json" in out
    assert ".claude" not in out
    assert ".codex" not in bare_tree.synced("init", "--dry-run", "--agents", "none")


def test_codex_reads_the_main_checkout(bare_tree: Tree) -> None:
    linked = bare_tree.worktree("linked")
    linked.synced("init", "--yes", "--agents", "codex")
    assert (bare_tree.path / ".codex/hooks.json").exists()
    assert not (linked.path / ".codex/hooks.json").exists()


def test_a_file_with_comments_is_left_alone_and_the_snippet_shown(bare_tree: Tree) -> None:
    text = '{\n  // mine\n  "model": "x"\n}\n'
    bare_tree.write(".claude/settings.json", text)
    done = bare_tree.sync("init", "--yes", "--agents", "claude")
    assert done.code == 0
    assert bare_tree.read(".claude/settings.json") == text
    assert "left alone" in done.err
    assert '"PreToolUse"' in done.err


def test_a_desktop_agent_gets_a_server_with_whole_paths(bare_tree: Tree) -> None:
    home = Path(bare_tree.environ["HOME"])
    (home / ".fazm").mkdir()
    servers = home / ".fazm/mcp-servers.json"
    servers.write_text('{"other": {"command": "x", "args": []}}\n')
    bare_tree.synced("init", "--yes")
    entry = json.loads(servers.read_text())["agentsync"]
    assert entry["args"] == ["mcp", "--repo", str(bare_tree.path), "--agent", "fazm"]
    assert Path(entry["command"]).is_absolute()
    foreign = json.loads(servers.read_text())
    foreign["agentsync-of-another"] = {**entry, "args": ["mcp", "--repo", "/elsewhere", "--agent", "fazm"]}
    servers.write_text(json.dumps(foreign))
    bare_tree.synced("uninstall", "--yes")
    assert json.loads(servers.read_text()).keys() == {"other", "agentsync-of-another"}, (
        "the file is for every repository"
    )


def test_an_unknown_client_is_named_with_those_known(bare_tree: Tree) -> None:
    done = bare_tree.sync("init", "--yes", "--agents", "claude,nonesuch")
    assert done.code == 2
    assert "nonesuch" in done.err
    assert "known: claude, codex" in done.err


def test_without_our_command_a_hook_allows(tmp_path: Path, bare_tree: Tree) -> None:
    """Copilot refuses where a hook fails, so a machine without agentsync must not."""
    for client in WITH_HOOKS:
        for _, entry in client.hooks:
            inner = entry.get("hooks", [entry])[0]
            line = inner.get("command") or inner.get("bash")
            done = bare_tree.run("/bin/sh", "-c", line, PATH="/nonexistent")
            assert (done.code, done.out.strip()) == (0, "{}")


def test_the_script_of_the_hooks_is_one_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert project["project"]["scripts"]["agentsync-hook"] == "agentsync.agents.main:main"


@pytest.mark.parametrize(
    ("script", "code", "out", "err"),
    [
        ("echo '{\"a\": 1}'", 0, '{"a": 1}\n', ""),
        ("echo '{\"deny\": 1}'; echo why >&2; exit 2", 2, '{"deny": 1}\n', "why\n"),
        ("echo Traceback >&2; exit 1", 0, "{}\n", ""),
        ("exit 127", 0, "{}\n", ""),
    ],
)
def test_copilots_hook_allows_when_ours_fails(tmp_path: Path, script: str, code: int, out: str, err: str) -> None:
    """Copilot CLI takes any other exit for a refusal."""
    program = tmp_path / "agentsync-hook"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    entry = dict(CLIENTS["copilot"].hooks)["preToolUse"]
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", str(entry["bash"])], env=path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)


def test_doctor_says_when_a_clients_hooks_are_gone_or_off(main: Tree) -> None:
    main.synced("init", "--yes", "--agents", "claude,aider")
    settings = main.path / ".claude/settings.json"
    text = settings.read_text()
    settings.write_text(json.dumps({**json.loads(text), "disableAllHooks": True}))
    assert "disableAllHooks" in main.sync("doctor").out
    settings.write_text("{}")
    assert "nothing of ours is in" in main.sync("doctor").out
    settings.write_text("// mine\n" + text)
    assert "nothing of ours is in" not in main.sync("doctor").out
    main.write(".aider.conf.yml", "read: [X.md]\ngit-commit-verify: true  # set by agentsync\n")
    assert "sets this otherwise: read: [AGENTS.md]" in main.sync("doctor").out
