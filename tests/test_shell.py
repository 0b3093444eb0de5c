"""The analysis of shell commands against a table: what must be refused, what must not, and what is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsync.agents.shell.commands import commands_of
from agentsync.agents.shell.dangers import Surroundings, dangers_in
from agentsync.agents.shell.lexer import tokens_of
from agentsync.agents.shell.writes import writes_of

SURROUNDINGS = Surroundings("main", "agent-1", ("/r/.git/agentsync", "/r/.git/hooks"))


def around(folder: str) -> Surroundings | None:
    """What stands around a folder: /r is our repository, all else is not."""
    return SURROUNDINGS if (folder + "/").startswith("/r/") else None


REFUSED = r"""
git -C .git/agentsync/store.git fetch -q /tmp/x +main:refs/heads/state
git -C .git/agentsync/store.git branch -v -f state HEAD~2
git -C .git/agentsync/store.git tag -a x -m y
git -C .git/agentsync/store.git reflog expire --all
git config core.hooksPath list
git -c core.hooksPath=/dev/null branch -v -f zz HEAD
git branch -v -M two main
cd .git/hooks && rm -f *
find -L .git/hooks -type f -delete
find .git -delete
find .git/hooks -type f -exec chmod -x {} +
find .git/hooks -type f -exec /bin/rm -f {} +
rm -rf .git
rm -rf .git/h*
git -C .git/agentsync/store.git update-ref -d refs/heads/state
git -C .git/agentsync/store.git branch -D state
cd .git/agentsync/store.git && git update-ref refs/heads/state HEAD~1
cd .git && rm -rf agentsync hooks
find .git/hooks -delete
find .git/agentsync -type f -exec rm {} +
rm -f .git/hooks/*
rm -rf .git/agentsync
git -c alias.ci='commit --no-verify' ci -m x
git -c alias.ci='!git -c core.hooksPath=/dev/null commit' ci -qm x
env -S 'AGENTSYNC=0 git commit -m x'
env - AGENTSYNC=0 git commit -m x
git commit --no-verify -m x
git commit -n -m x
git commit -nm x
git commit -anm x
git commit -anS -m x
git commit -qn
git commit --no-veri -m x
git commit --no-verif -m x
git commit -m x --no-verify
git commit --amend --no-edit -n
git commit -m "a b" -n -- src
git -C sub commit --no-verify
git -c user.name=x commit -n -m y
git --no-pager commit --no-verify -m x
/usr/bin/git commit --no-verify -m x
git push --no-verify
git push origin HEAD --no-verify
git push --no-verify -u origin x
git merge --no-verify feature
git rebase --no-verify main
git pull --no-verify
git am --no-verify < a.patch
git am -n a.patch
git rebase -x 'git commit --amend --no-verify --no-edit' main
git rebase --exec "git commit --amend -n" main
git rebase --exec='git commit --amend -n' main
git -c core.hooksPath=/dev/null commit -m x
git -c core.hookspath= commit -m x
git -c CORE.HOOKSPATH=/tmp push
git -c hook.agentsync-pre-commit.enabled=false commit -m x
git --config-env=core.hooksPath=EMPTY commit -m x
git --config-env core.hooksPath=EMPTY commit -m x
git config core.hooksPath /dev/null
git config --local core.hooksPath .githooks
git config --global core.hooksPath /tmp/none
git config set core.hooksPath /tmp/none
git config --unset core.hooksPath
git config --unset-all hook.agentsync-pre-commit.command
git config hook.agentsync-reference-transaction.enabled false
git config --remove-section hook.agentsync-pre-commit
git config agentsync.base other
GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.hooksPath GIT_CONFIG_VALUE_0=/dev/null git commit -m x
GIT_CONFIG_PARAMETERS="'core.hooksPath=/dev/null'" git commit -m x
export GIT_CONFIG_KEY_0=core.hooksPath
AGENTSYNC=0 git commit -m x
AGENTSYNC=0 git push
export AGENTSYNC=0
export AGENTSYNC=0; git commit -m x
env AGENTSYNC=0 git commit -m x
env -u FOO AGENTSYNC=0 git commit -m x
sudo AGENTSYNC=0 git commit -m x
AGENTSYNC_ALLOW="the user said so" git commit -m x
export AGENTSYNC_ALLOW=yes && git commit -m x
SKIP=agentsync-pre-commit git commit -m x
AGENTSYNC_PROBE=/dev/null git commit -m x
export AGENTSYNC_PROBE=/tmp/x
env AGENTSYNC_PROBE=/dev/null git push
AGENTSYNC_GIT_PID=1 git commit -m x
AGENTSYNC_ANYTHING=1 git commit -m x
AGENTSYNC_AGENT=human:ann git commit -m x
export AGENTSYNC_AGENT=human:ann AGENTSYNC_ALLOW=yes
git -c include.path=/tmp/x commit -m x
GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=include.path GIT_CONFIG_VALUE_0=/tmp/x git commit -m x
agentsync unlock package.json --force --reason "it is stale"
agentsync unlock --force a b
cd sub && git commit --no-verify -m x
(cd sub; git commit -n -m x)
true && git commit --no-verify -m x || echo failed
git add . ; git commit -n -m 'x y'
git status && git commit --no-verify -m "$(date)"
if true; then git commit --no-verify -m x; fi
for f in a b; do git commit -n -m $f; done
while read l; do git commit --no-verify -m "$l"; done < list
bash -c 'git commit --no-verify -m x'
sh -c "git commit -n -m x"
bash -lc "cd x && git commit --no-verify -m y"
eval "git commit --no-verify -m x"
echo $(git commit --no-verify -m x)
echo `git commit --no-verify -m x`
x=$(git commit -n -m y)
timeout 30 git commit --no-verify -m x
nice -n 10 git commit -n -m x
nohup git push --no-verify &
time git commit --no-verify -m x
command git commit --no-verify -m x
exec git commit --no-verify -m x
ls | xargs -n1 git commit --no-verify -m x
git commit \
  --no-verify -m x
git commit '--no-verify' -m x
git commit "--no-verify" -m x
git commit --no-"verify" -m x
g=1 git commit -n -m x
bash <<EOF@git commit --no-verify -m x@EOF
git commit -m "$(cat <<'E'@don't@E@)" && git push --no-verify
rm -rf .git/agentsync
rm -rf /r/.git/agentsync/store.git
rm .git/hooks/pre-commit
mv .git/hooks /tmp/hooks
chmod -x .git/hooks/reference-transaction
echo 'exit 0' > .git/hooks/pre-commit
: > .git/hooks/reference-transaction
cat x | tee .git/hooks/pre-commit
sed -i 's/x/y/' .git/agentsync/config.cache
cp /tmp/fake .git/hooks/pre-commit
cd .git && rm -rf hooks
git --git-dir=.git/agentsync/store.git update-ref -d refs/heads/state
git -C .git/agentsync/store.git update-ref refs/heads/state HEAD~1
git --git-dir .git/agentsync/store.git reset --soft HEAD~1
git branch -M agent-1 main
git branch -M main
git branch -C agent-1 main
git branch --force -m agent-1 main
git branch --move --force x main
git commit -m"$(date)" --no-verify
git commit -m"${X}" -n
git rebase -x"git commit --amend -n" main
git bisect run sh -c 'git commit -n -m x'
git --attr-source HEAD commit -n -m x
git config -f .git/config core.hooksPath x
git config --type path core.hooksPath x
git config --remove-section core
bash -e <<EOF@git commit -n -m x@EOF
bash -euo pipefail <<'EOF'@git commit -n -m x@EOF
bash <<< 'git commit -n -m x'
time -p git commit -n -m x
function f { git commit -n -m x; }; f
X+=1 git commit -n -m x
env --unset X AGENTSYNC=0 git commit
sudo --user x git commit -n -m x
uv run git commit -n -m x
GIT_DIR=.git/agentsync/store.git git update-ref -d refs/heads/state
python -m agentsync unlock --force shared.txt
uv run agentsync unlock --force shared.txt
agentsync uninstall --yes
v="$(@  jq -r .v <<< "$json"@)"@git commit -n -m x
git commit -m "$(cat <<'END'|sed s/a/b/@it's@END@)" && git commit -n
""".strip().split("\n")

ALLOWED = r"""
git submodule foreach 'git commit -n -m x'
git config -f /tmp/other.ini core.hooksPath .husky
rm -rf *
rm -f build/*
find .git/hooks -name '*.sample' -delete
git -C .git/agentsync/store.git branch -v
git -c core.hooksPath=/dev/null ls-remote origin
git -C .git/agentsync/store.git log --oneline state
git --git-dir=.git/agentsync/store.git branch
git --git-dir=.git/agentsync/store.git tag -l
git --git-dir=.git/agentsync/store.git config --get gc.auto
cd .git && ls
find .git/hooks -name '*.sample'
find . -name '*.orig' -delete
touch -r .git/hooks/pre-commit /tmp/x
AGENTSYNC_ALLOW= git commit -m x
git -c core.hooksPath=/dev/null merge-base a b
agentsync uninstall --help
git -c alias.st=status st
git commit -m x
git commit -m "never use --no-verify"
git commit -m '-n'
git commit -m -n
git commit -mn
git commit -mnever
git commit -am "n"
git commit -F n
git commit -C HEAD
git commit -c HEAD
git commit --author n -m x
git commit --fixup HEAD
git commit -uno -m x
git commit -Snkey -m x
git commit --no-verbose -m x
git commit --no-edit --amend
git commit -- --no-verify
git commit --verify -m x
git push -n
git push --dry-run
git push origin main
git push -o ci.skip
git merge -n feature
git merge --no-ff feature
git merge --no-verify-signatures x
git pull -n
git rebase main
git rebase -i main
git rebase -x "make test" main
git log -n 5
git log --no-verify
git status
git diff --no-index a b
git config core.hooksPath
git config --get core.hooksPath
git config get core.hooksPath
git config --list
git config user.name "A B"
git config core.autocrlf false
git -c core.quotePath=false status
git -c commit.gpgsign=false commit -m x
git -c color.ui=false log
git branch -m agent-1 feature
git branch -M feature
git branch main
git branch -f feature main
git branch -D main-old
git branch --list main
git switch main
git update-ref refs/heads/x HEAD
git stash
git stash pop
git reset --hard HEAD
git clean -fd
git cherry-pick -n abc
git revert -n abc
git am a.patch
git tag -n
git worktree add ../x
git --git-dir=.git/agentsync/store.git log
git -C .git/agentsync/store.git log --oneline
AGENTSYNC=1 git commit -m x
AGENTSYNC_AGENT=agent-2 git commit -m x
AGENTSYNC_DEBUG=1 agentsync status
AGENTSYNC_PROBE= git commit -m x
AGENTSYNC_PORT=4001 AGENTSYNC_DB=x npm start
git config include.path ../.gitconfig
HUSKY=0 git commit -m x
LEFTHOOK=0 git commit -m x
SKIP=eslint git commit -m x
GIT_EDITOR=true git rebase --continue
GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=x git commit -m x
echo AGENTSYNC=0
echo "AGENTSYNC=0 git commit"
echo 'git commit --no-verify'
grep -rn -- --no-verify .
grep -rn "core.hooksPath" docs
rg "git commit -n"
cat .git/hooks/pre-commit
ls .git/hooks
ls -la .git/agentsync
head -20 .git/hooks/pre-commit
git commit -m "$(cat <<'E'@fix: stop using --no-verify@don't run git commit -n@E@)"
cat > notes.md <<'E'@git commit --no-verify -m x@AGENTSYNC=0 git push@E
printf 'git commit --no-verify\n' >> docs/bad.md
python -c "print('git commit --no-verify')"
node -e "console.log('AGENTSYNC=0')"
# git commit --no-verify
make test # never git commit --no-verify
agentsync unlock package.json
agentsync unlock --all
agentsync lock a --reason "--force"
agentsync status
npm run commit -- --no-verify
gh pr create --body "uses --no-verify"
docker run -n x
rm -rf build
rm -rf node_modules .cache
rm -f .git/index.lock
mv a b
chmod +x scripts/hooks/pre-commit
cp hooks/pre-commit /tmp/
echo x > hooks/pre-commit
sed -n 1,5p .git/hooks/pre-commit
cp .git/hooks/pre-commit /tmp/x
find . -name '*.orig' -exec rm {} +
case x in git) echo commit -n ;; esac
[ -n "$x" ] && git commit -m y
test -n "$GIT" && git push
ssh host 'git commit --no-verify'
echo $((1 << 2)) && git commit -m x
git commit -m 'it''s -n'
git commit -m "unterminated
git commit -m $'a\n-n'
((x = 1)); git commit -m x
function f { git status; }; f
git log --format='%h -n' | head -n 1
awk '{ print $1 > "out" }' file
git commit $OPTIONS -m x
cd /tmp/new && git init && git add . && git commit -n -m x && git branch -M main
git -C /tmp/new branch -M main
git -C /tmp/other commit --no-verify -m x
cd "$(mktemp -d)" && git init -q && git branch -M main
cd /tmp/other && git config core.hooksPath .githooks
git -c core.hooksPath=/dev/null status
git -c core.hooksPath=/dev/null clone https://example.org/x /tmp/x
git commit -m $'Don\'t panic' -m 'note: see -n flag'
git commit -m $'it\'s done' && gh pr comment 1 --body 'git commit --no-verify'
BODY="$(@  # don't forget@  cat notes.md@)"@gh pr create --body "$BODY; git commit -n"
v="$(@  jq -r .v <<< "$json"@)"@echo "done; git commit -n later"
git commit -m "$(cat <<'END'|sed s/a/b/@it's@END@)" && echo "x; git commit -n"
echo ${x:-'}'} ; echo 'git commit -n'
args=(git commit --no-verify); echo "${args[@]}"
bash script.sh -c "git commit -n"
git commit -m"${X}" -m "-n"
""".strip().split("\n")


def text_of(row: str) -> str:
    """A row of the table; `@` stands for a line feed in here-documents and substitutions over lines."""
    return row.replace("@", "\n") if "@" in row and ("<<" in row or "$(@" in row) else row


def rows(table: list[str]) -> list[str]:
    """The table's rows, those that end in a backslash joined with the next."""
    joined: list[str] = []
    for line in table:
        if joined and joined[-1].endswith("\\"):
            joined[-1] += "\n" + line
        else:
            joined.append(line)
    return [text_of(row) for row in joined]


@pytest.mark.parametrize("command", rows(REFUSED))
def test_what_gets_past_the_gates_is_refused(command: str) -> None:
    found = dangers_in(command, "/r", around)
    assert found
    assert all(danger.what and danger.why and danger.command for danger in found)


@pytest.mark.parametrize("command", rows(ALLOWED))
def test_no_innocent_command_is_refused(command: str) -> None:
    assert dangers_in(command, "/r", around) == []


def test_the_table_is_long_enough() -> None:
    assert len(rows(REFUSED)) + len(rows(ALLOWED)) >= 200


WRITES = {
    "echo x > a": ["a"],
    "echo x >> a": ["a"],
    "echo x >| a": ["a"],
    "echo x &> a": ["a"],
    "echo x 2> err.log": ["err.log"],
    "echo x 2>&1": [],
    "echo x > /dev/null": [],
    "echo x > $file": [],
    'echo x > "$file"': [],
    "cat a < b": [],
    "cat <<E > a\ntext > b\nE": ["a"],
    "echo 'a > b'": [],
    "cd sub && echo x > a": ["sub/a"],
    "(cd sub && echo x > a); echo y > b": ["sub/a", "b"],
    "cd $dir && echo x > a": [],
    "cd - && echo x > a": [],
    "tee a b": ["a", "b"],
    "x | tee -a a": ["a"],
    "sed -i s/a/b/ f g": ["f", "g"],
    "sed -i.bak 's/a/b/' f": ["f"],
    "sed -i -e s/a/b/ f": ["f"],
    "sed -n -i s/a/b/p f": ["f"],
    "sed --in-place s/a/b/ f": ["f"],
    "sed s/a/b/ f": [],
    "sed -n 1p f": [],
    "sed -e s/a/b/ f": [],
    "perl -pi -e s/a/b/ f": ["f"],
    "perl -e 'print 1' f": [],
    "cp a b": ["b"],
    "cp -t d a": ["d/a"],
    "cp -rt d a": ["d/a"],
    "cp -tsrc a": ["src/a"],
    "cp --target-directory=d a": ["d/a"],
    "cp -an a b": [],
    "mv -n a b": ["a"],
    "mv -t d a": ["d/a", "a"],
    "ln -s a b": [],
    "ln -sf a b": ["b"],
    "awk -i inplace '{print}' f": ["f"],
    "awk '{print}' f": [],
    "perl script.pl -i f": [],
    "perl -i script.pl f": ["f"],
    "truncate -r a b": ["b"],
    "cp a dir/": ["dir/a"],
    "mv a b": ["b", "a"],
    "rm a": ["a"],
    "rm -rf a b": ["a", "b"],
    "rm *.txt": [],
    "rm package.json.agent-lock": ["package.json"],
    "echo agent-1 > package.json.agent-lock": ["package.json.agent-lock"],
    "dd if=a of=b": ["b"],
    "truncate -s 0 a": ["a"],
    "git mv a b": ["a", "b"],
    "git mv a sub": ["a", "sub/a"],
    "git rm a": ["a"],
    "git rm --cached a": [],
    "git checkout -- a": [],
    "git restore a": [],
    "npm install left-pad": ["package.json"],
    "npm i -D left-pad": ["package.json"],
    "npm install": [],
    "npm ci": [],
    "npm install -g x": [],
    "yarn add x": ["package.json"],
    "pnpm add x": ["package.json"],
    "uv add requests": ["pyproject.toml"],
    "poetry add requests": ["pyproject.toml"],
    "cargo add serde": ["Cargo.toml"],
    "cargo build": [],
    "go get example.org/x": ["go.mod"],
    "go test ./...": [],
    "touch a": [],
    "python x.py > out.txt": ["out.txt"],
    "diff <(sort a) <(sort b)": [],
    "make > build.log 2>&1": ["build.log"],
    "echo {a,b} > f": ["f"],
    "echo x > {a,b}": [],
    "echo x > ~/f": [],
    "[[ a > b ]]": [],
    "if [[ $x > 5 && $y > f ]]; then :; fi": [],
    "(( a > b ))": [],
    "cp a sub": ["sub/a"],
    "cp -r a sub": ["sub/a"],
    "mv a .": ["a"],
    'cp "$X" f': ["f"],
    'mv f "$TMP"': [],
    "cp -n a f": [],
    "perl -MList::Util=sum -ne print f": [],
    "perl -Ilib -e 'print 1' f": [],
    'sed -i "s/a/$B/" f': ["f"],
    "sed -si s/a/b/ f": ["f"],
    "git commit -m $'it\\'s > f'": [],
    "git rm -n f": [],
    "git mv -f a f": ["a", "f"],
    "git -C sub rm a": ["sub/a"],
    "pushd sub; popd; rm f": ["f"],
    "env -C sub rm a": ["sub/a"],
    "cd sub | rm f": ["f"],
    "cd sub && apply_patch <<'E'\n*** Begin Patch\n*** Update File: a\nE": ["sub/a"],
    "cat > n.md <<'E'\n*** Begin Patch\n*** Update File: a\nE": ["n.md"],
    "npm install --omit dev": [],
    "npm i --dry-run x": [],
    "pnpm -r add x": [],
    "pnpm i x": ["package.json"],
    "cmds=(rm f)": [],
    "rsync -a a/ f": [],
}


@pytest.mark.parametrize(("command", "files"), WRITES.items(), ids=list(WRITES))
def test_only_what_is_surely_written_counts(command: str, files: list[str]) -> None:
    found = writes_of(commands_of(command, "/r"), lambda path: path in ("/r", "/r/sub"))
    assert found == [f"/r/{name}" for name in files]


@pytest.mark.parametrize("device", ["/dev/null", "/dev/stderr", "/dev/tty", "/dev/fd/3"])
def test_a_device_is_no_file_but_a_worktree_may_lie_beside_it(device: str) -> None:
    assert writes_of(commands_of(f"echo x > {device}", "/r")) == []
    assert writes_of(commands_of("echo x > /dev/shm/one/a.txt", "/r")) == ["/dev/shm/one/a.txt"]


@given(st.text(alphabet=" \t\n'\"\\$`(){}<>|&;#=-abg~*@", max_size=60))
def test_any_text_is_read(text: str) -> None:
    tokens_of(text)
    dangers_in(text, "/r", around)
    writes_of(commands_of(text, "/r"))


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="'\0"), max_size=60))
def test_what_stands_in_single_quotes_is_one_word(text: str) -> None:
    words = [token for token in tokens_of(f"git commit -m '{text}'") if token.kind == "word"]
    assert words[-1].text == text
    assert dangers_in(f"git commit -m '{text}'", "/r", around) == []


def test_deep_nesting_ends() -> None:
    script = "git commit --no-verify"
    for _ in range(200):
        script = f"$({script})"
    assert dangers_in(script, "/r", around) == []
