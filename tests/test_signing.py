"""Merge commits are signed where the user signs, and what is merged is verified where the user verifies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import Tree
from test_landing import configure, work


@pytest.fixture
def signing(text: Tree, tmp_path: Path) -> Tree:
    """A repository whose user signs every commit with an ssh key."""
    key = tmp_path / "key"
    assert text.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)).code == 0
    (tmp_path / "signers").write_text(f"dev@example.com {key.with_suffix('.pub').read_text()}")
    text.ok("config", "gpg.format", "ssh")
    text.ok("config", "user.signingKey", f"{key}.pub")
    text.ok("config", "gpg.ssh.allowedSignersFile", str(tmp_path / "signers"))
    text.ok("config", "commit.gpgSign", "true")
    return text


def signatures(tree: Tree, *revisions: str) -> set[str]:
    return set(tree.ok("log", "--format=%G?", *revisions).split())


def test_every_commit_that_we_make_is_signed(signing: Tree) -> None:
    start = signing.head()
    one, two = work(signing, "one", 3), work(signing, "two", 9)
    signing.commit("other.txt", "x\n")
    one.synced("sync")
    signing.synced("integrate", "two")
    assert signatures(signing, f"{start}..one", f"{start}..main") == {"G"}
    two.write("db/migrations/0003_two.sql", "create table two (id int);\n")
    two.ok("add", ".")
    two.ok("commit", "-qm", "a migration")
    signing.write("db/migrations/0003_main.sql", "create table main (id int);\n")
    signing.ok("add", ".")
    signing.unhooked("commit", "-qm", "a migration")
    two.unhooked("merge", "-q", "--no-edit", "main")
    assert "0004_two.sql" in two.synced("sync")
    configure(signing, integrate_publish='"branch"')
    assert "one  ready" in signing.synced("integrate", "one")
    assert signatures(signing, f"{start}..one", f"{start}..two", f"{start}..main") == {"G"}


def test_nothing_is_signed_that_the_user_does_not_sign(signing: Tree) -> None:
    one = work(signing, "one", 3)
    signing.commit("other.txt", "x\n")
    signing.ok("config", "commit.gpgSign", "false")
    one.synced("sync")
    assert signatures(one, "-1") == {"N"}
    signing.ok("config", "commit.gpgSign", "true")
    signing.ok("config", "user.signingKey", "/nowhere/key.pub")
    assert "one  would land" in signing.synced("integrate", "--dry-run", "one"), "a rehearsal signs nothing"


@pytest.mark.parametrize("command", ["sync", "integrate"])
def test_a_key_that_is_gone_moves_nothing_and_says_what_to_look_at(signing: Tree, tmp_path: Path, command: str) -> None:
    one = work(signing, "one", 3)
    signing.commit("other.txt", "x\n")
    (tmp_path / "key").unlink()
    before = signing.head(), one.head()
    done = one.sync("sync") if command == "sync" else signing.sync("integrate", "one")
    assert done.code == 1, done
    assert "could not be signed, and commit.gpgSign is set" in done.out + done.err
    assert (signing.head(), one.head()) == before
    way_on = next(line.strip() for line in done.err.splitlines() if line.strip().startswith("git config"))
    assert str(tmp_path / "key.pub") in signing.run("sh", "-c", way_on).out
    assert one.ok("status", "--porcelain") == ""


def test_what_has_no_good_signature_is_not_merged_where_the_user_verifies(signing: Tree) -> None:
    signing.ok("config", "merge.verifySignatures", "true")
    one = work(signing, "one", 3)
    signing.commit("other.txt", "x\n")
    one.synced("sync")
    assert signatures(one, "-1", "--merges") == {"G"}
    assert "one  landed" in signing.synced("integrate", "one")
    two = signing.worktree("two")
    two.commit("two.txt", "x\n", "unsigned", "--no-gpg-sign")
    done = signing.sync("integrate", "two")
    assert done.code == 1
    assert "two has no good signature at" in done.out
    assert "git verify-commit -v" in done.err
    three = work(signing, "three", 9)
    signing.commit("unsigned.txt", "x\n", "unsigned", "--no-gpg-sign")
    done = three.sync("sync")
    assert done.code == 1
    assert "main has no good signature at" in done.err
    assert not (three.path / "unsigned.txt").exists()


def test_verifying_without_signing_asks_only_of_what_is_merged(signing: Tree) -> None:
    one = work(signing, "one", 3)
    signing.commit("other.txt", "x\n")
    signing.ok("config", "commit.gpgSign", "false")
    signing.ok("config", "merge.verifySignatures", "true")
    one.synced("sync")
    assert (one.path / "other.txt").exists()


@pytest.mark.skipif(not shutil.which("gpg"), reason="no gpg here")
def test_an_openpgp_key_signs_too(text: Tree, tmp_path: Path) -> None:
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    text.environ["GNUPGHOME"] = str(home)
    words = ("--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "dev@example.com", "default", "default")
    assert text.run("gpg", *words, "never").code == 0
    text.ok("config", "commit.gpgSign", "true")
    text.ok("config", "user.signingKey", "dev@example.com")
    one = work(text, "one", 3)
    text.commit("other.txt", "x\n")
    one.synced("sync")
    text.synced("integrate", "one")
    assert signatures(text, "-1", "main") <= {"G", "U"}
    text.run("gpgconf", "--kill", "gpg-agent")
