# agentsync shim 2: what the hooks of agentsync share. They read it with `.`; nobody runs it.
# Their variables: git_dir and common (of this worktree, of all), private (what is ours in git_dir).

# `agentsync doctor` asks whether a hook fires: it makes a file, and one run of the hook takes it away.
asked() {
    case ${AGENTSYNC_PROBE-} in '' | *[!0-9a-f]*) return 1 ;; esac
    [ -f "$common/agentsync/probe/$1.$AGENTSYNC_PROBE" ] && rm -f "$common/agentsync/probe/$1.$AGENTSYNC_PROBE"
}

# Runs a hook's Python: 1 where a gate refuses, else 0, also where it cannot start or fails.
start() {
    python=@PYTHON@
    library=@LIBRARY@
    [ -x "$python" ] || python=$(command -v python3)
    if [ -f "$library/agentsync/gates/main.py" ] && [ -n "$python" ]; then
        # a process this short needs neither collection nor teardown: 4 of its 31 ms
        AGENTSYNC_GIT_PID=$PPID "$python" -I -S -c 'import gc, os, sys; gc.disable()
sys.path.insert(0, sys.argv.pop(1)); from agentsync.gates.main import shim_main; os._exit(shim_main())' \
            "$library" "$@"
        code=$?
        [ $code != 10 ] || return 1
    elif command -v agentsync >/dev/null; then # as in a container, where the paths are others
        AGENTSYNC_GIT_PID=$PPID agentsync git-hook "$@"
        code=$?
        [ $code != 1 ] || return 1
    else
        echo "agentsync: $1 cannot start, so nothing was checked: agentsync or Python is gone (agentsync init)" >&2
        return 0
    fi
    [ $code = 0 ] || echo "agentsync: $1 failed, so nothing was checked (agentsync doctor)" >&2
    return 0
}

# git as a gate runs it: what the caller set decides nothing of what it answers (agentsync/git/run.py).
judging_git() (
    unset GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT GIT_EXTERNAL_DIFF GIT_REPLACE_REF_BASE GIT_ATTR_SOURCE GIT_TRACE \
        GIT_LITERAL_PATHSPECS GIT_GLOB_PATHSPECS GIT_NOGLOB_PATHSPECS GIT_ICASE_PATHSPECS GIT_NAMESPACE
    export GIT_NO_REPLACE_OBJECTS=1 GIT_GRAFT_FILE=/dev/null/none GIT_OPTIONAL_LOCKS=0 LC_ALL=C
    exec git "$@"
)

# Whether the commit being made repeats one that exists: it gets no trailers.
repeats_a_commit() {
    [ -f "$git_dir/CHERRY_PICK_HEAD" ] || [ -f "$git_dir/REVERT_HEAD" ]
}

# The stash is one stack for all worktrees: a user's hook that stashes, as lint-staged does, can get another's entry.
stash_list() {
    [ ! -f "$common/logs/refs/stash" ] || cksum <"$common/logs/refs/stash"
}

warn_of_stash() {
    echo "agentsync: warning: the stash, which all worktrees share, is not what it was before this hook ran" >&2
    echo "  lines of another worktree may have come here, or yours gone there; to see, and to have back what was here:" >&2
    echo "  git diff; agentsync rescue" >&2
}

# Without Python: a gate leaves beside the state what a commit must touch to concern anybody
# (agentsync/gates/quiet.py). Whatever is not as it was then, or is not plain, means: start Python.

# Reads that projection from its input; sets branch, head, key, id, state, globs, tops, trailers and locks.
read_projection() {
    read -r word && [ "$word" = 'agentsync quiet 1' ] && read -r state || return 1
    read -r base upstream && read -r base_at upstream_at <"$common/agentsync/quiet.base" || return 1
    now=-
    [ ! -f "$common/agentsync/store.git/refs/heads/state" ] ||
        read -r now <"$common/agentsync/store.git/refs/heads/state"
    [ "$now" = "$state" ] && stands "$base" "$base_at" && stands "$upstream" "$upstream_at" || return 1
    for file in "$common/config" "$common/packed-refs" "$common/agentsync/agentsync.toml"; do
        [ ! "$file" -nt "$common/agentsync/quiet" ] || return 1
    done

    read -r word <"$git_dir/HEAD" && branch=${word#ref: } || return 1
    case $branch in refs/heads/*) ;; *) return 1 ;; esac
    [ -f "$common/$branch" ] && [ -f "$common/agentsync/judged/$branch.tip" ] && [ -f "$private/branch" ] &&
        [ -f "$private/holder" ] && [ -f "$private/synced" ] || return 1
    read -r head <"$common/$branch" && read -r judged <"$common/agentsync/judged/$branch.tip" &&
        read -r last <"$private/branch" && read -r level <"$private/synced" && read -r key top <"$private/holder" || return 1
    [ "$judged" = "$head" ] && [ "$level" = "$head" ] && [ "$last" = "$branch" ] || return 1
    [ ! -f "$common/agentsync/undecided/$branch" ] && is_acting "$key" || return 1
    if [ -f "$common/agentsync/unseen" ]; then # something to tell, once in each worktree
        [ -f "$private/unseen" ] && read -r last <"$private/unseen" && read -r word rest <"$common/agentsync/unseen" &&
            [ "$last" = "$word" ] || return 1
    fi

    id=${git_dir##*/}
    [ "$git_dir" != "$common" ] || id=.main
    globs='' tops='' trailers='' locks=0 claimed='' claims=off
    while read -r word rest; do
        case $word in
        glob) globs="$globs$rest
" ;;
        scope) [ "${rest%% *}" = "$id" ] || globs="$globs${rest#* }
" ;;
        top) tops="$tops$rest
" ;;
        locks) locks=$rest ;;
        claims) claims=$rest ;;
        claimed) [ "${rest%% *}" != "$key" ] || claimed=1 ;;
        task) [ "${rest%% *}" != "$key" ] || trailers="Task: ${rest#* }
" ;;
        end) break ;;
        esac
    done
    [ "$word" = end ] || return 1
    case $key in human:*) trailers='' claims=off ;; *) trailers="Agent: ${key%@*}
$trailers" ;; esac
    [ "$claims" = off ] || [ -n "$claimed" ] || [ ! -f TASKS.md ] || told_of_claims
}

# Whether a loose ref is where it was; `-` stands for one that has no file, or for none.
stands() {
    at=-
    [ "$1" = - ] || [ ! -f "$common/$1" ] || read -r at <"$common/$1"
    [ "$at" = "$2" ]
}

# Whether the holder registered here is who acts, by the rules of agentsync/holders/identity.py.
is_acting() {
    tool="@AGENT_TOOL@"
    case $1 in human:*) [ -z "$tool" ] || return 1 ;; esac
    if [ -n "${AGENTSYNC_AGENT-}" ]; then
        case $1 in "$AGENTSYNC_AGENT"@*) return 0 ;; esac
        return 1
    fi
    if [ "$git_dir" != "$common" ]; then
        [ "$1" = "${git_dir##*/}@${git_dir##*/}" ]
        return
    fi
    # whose name a person goes by decides nothing here
    case $1 in human:*@.main) [ -z "$tool" ] ;; main@.main) [ -n "$tool" ] ;; *) return 1 ;; esac
}

told_of_claims() {
    [ "$claims" = warn ] && [ -f "$private/claims-told" ] && read -r last <"$private/claims-told" &&
        [ "$last" = "$branch" ]
}

# Whether changes in git's raw format (the input) touch nothing that concerns anybody: 0; 2 where all that concerns
# anybody are this holder's own locks.
plain_paths() {
    count=0 asked='' spaced=''
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        count=$((count + 1)) path=${line#*	}
        case $line in :*' 160000 '* | :160000' '*) return 1 ;; esac
        case $path in '' | *[!A-Za-z0-9._/@+=,-]*) return 1 ;; esac
        [ $count -le 50 ] && concerns_nobody || return 1
    done
    [ "$locks" != 0 ] && [ -n "$asked" ] || return 0
    read -r word <"$common/agentsync/quiet.locks" && [ "$word" = "$state" ] || return 1
    known=$(printf %s "$asked" | grep -xF -f - "$common/agentsync/quiet.locks")
    case $? in 0) ;; 1) return 0 ;; *) return 1 ;; esac
    while read -r lock; do
        case $lock in
        [=^]*) case "
$known
" in *"
$key $lock
"*) ;; *) return 1 ;; esac ;;
        esac
    done <<LOCKS
$known
LOCKS
    return 2
}

concerns_nobody() {
    while read -r glob; do
        # shellcheck disable=SC2254 # a pattern it is
        case $path in $glob) [ -z "$glob" ] || return 1 ;; esac
    done <<GLOBS
$globs
GLOBS
    while read -r top; do
        [ -z "$top" ] || [ ! -e "$top/$path.agent-lock" ] || is_ours "$top/$path.agent-lock" || return 1
    done <<TOPS
$tops
TOPS
    spaced="$spaced $path
"
    asked="$asked=
=$path
$key =$path
^$path
"
    above=$path
    while [ "$above" != "${above%/*}" ]; do
        above=${above%/*}
        asked="$asked=$above
$key =$above
"
    done
}

# Whether a marker file is written by agentsync (agentsync/locks/beside.py): then the state says the same.
is_ours() {
    [ -f "$1" ] && [ ! -L "$1" ] && read -r header <"$1" &&
        [ "$header" = '# agentsync: locked. This file only tells; to lock or unlock use the agentsync command.' ]
}

# Whether the index is a commit that concerns nobody; its receipt is left for reference-transaction.
nothing_concerned() {
    [ -z "${AGENTSYNC_ALLOW-}" ] && [ ! -f "$git_dir/MERGE_HEAD" ] && [ ! -f "$private/committing" ] &&
        [ -r "$common/agentsync/quiet" ] && [ -r "$common/agentsync/quiet.base" ] || return 1
    read_projection <"$common/agentsync/quiet" || return 1
    raw=$(judging_git diff-index --cached -r --raw --no-abbrev --no-renames --no-ext-diff --ignore-submodules=none \
        --ita-invisible-in-index "$head") || return 1
    kind=plain
    plain_paths <<RAW
$raw
RAW
    case $? in 0) ;; 2) kind=recheck ;; *) return 1 ;; esac # the chains of its locks grow when the branch moves
    ! repeats_a_commit || trailers=''
    forecast_note
    printf '%s %s\n%s\n%s\n%s\n%s\n%s' "$PPID" "$kind" "$state" "$branch" "$trailers" "$head" "${raw:+
$raw
}" >"$private/receipt"
    echo >"$private/alive"
}

# Others who touch a path are looked at after the commit; that this worktree touches it is noted for them.
forecast_note() {
    [ -d "$common/worktrees" ] && [ -n "$raw" ] || return 0
    touched=$common/agentsync/forecast/touched
    if [ ! -f "$touched" ] || [ "${GIT_INDEX_FILE:-$git_dir/index}" -nt "$touched.until" ]; then
        echo forecast >"$private/note"
        return 0
    fi
    known=$(printf %s "$spaced" | grep -F -f - "$touched")
    while read -r path; do
        [ -n "$path" ] || continue
        mine=''
        while read -r who what; do
            [ "$what" = "$path" ] || continue
            if [ "$who" = "$id" ]; then mine=1; else echo forecast >"$private/note"; fi
        done <<KNOWN
$known
KNOWN
        [ -n "$mine" ] || echo "$id $path" >>"$touched"
    done <<PATHS
$spaced
PATHS
}

# Whether the one commit that a branch gets was judged by this git process already, or concerns nobody.
judged_already() {
    # A gate has seen that the state has a part in it: Python looks anyway.
    if [ -f "$private/receipt" ] && read -r pid kind <"$private/receipt" && [ "$pid $kind" = "$PPID recheck" ]; then
        return 1
    fi
    # diff-tree reads the index for nothing; in a large repository that is most of its time.
    have=$(GIT_INDEX_FILE=$private/no-index judging_git diff-tree -r --raw --no-abbrev --no-renames --no-ext-diff \
        --ignore-submodules=none --root --always --format=%P "$to") || return 1
    if [ ! -f "$private/receipt" ] || ! matches_receipt <"$private/receipt"; then
        concerns_nobody_yet || return 1
    fi
    echo "$to" >"$private/synced"
    echo "$to" >"$common/agentsync/judged/$branch.tip"
    # Where this moves base, the projection still holds, unless its settings change.
    case $have in *agentsync.toml* | *pyproject.toml*) return 0 ;; esac
    if [ -r "$common/agentsync/quiet" ] && [ -r "$common/agentsync/quiet.base" ] &&
        read -r base_at upstream_at <"$common/agentsync/quiet.base" && [ "$base_at" = "$from" ] && is_base <"$common/agentsync/quiet"; then
        echo "$to $upstream_at" >"$common/agentsync/quiet.base"
    fi
    return 0
}

# A commit on top of the branch checked out here, which no receipt is for: `git am` runs no gate before.
concerns_nobody_yet() {
    # else it may be any commit made elsewhere, a stale one too
    [ -d "$git_dir/rebase-apply" ] || [ -d "$git_dir/sequencer" ] || repeats_a_commit || return 1
    [ -r "$common/agentsync/quiet" ] && [ -r "$common/agentsync/quiet.base" ] && [ "${have%%
*}" = "$from" ] || return 1
    moved=$branch
    read_projection <"$common/agentsync/quiet" && [ "$moved" = "$branch" ] && [ "$head" = "$from" ] || return 1
    plain_paths <<RAW || return 1
${have#*
}
RAW
    judging_git diff-index --cached --quiet "$to"
}

is_base() {
    read -r word && read -r word && read -r base rest && [ "$base" = "$branch" ]
}

# A plain receipt that says just what this commit is: the gate has judged it, nothing of the state is concerned.
matches_receipt() {
    read -r pid kind && read -r state && read -r judged || return 1
    [ "$pid $kind" = "$PPID plain" ] && [ "$judged" = "$branch" ] || return 1
    now=-
    [ ! -f "$common/agentsync/store.git/refs/heads/state" ] ||
        read -r now <"$common/agentsync/store.git/refs/heads/state"
    [ "$now" = "$state" ] && [ -f "$common/agentsync/judged/$branch.tip" ] || return 1
    read -r tip <"$common/agentsync/judged/$branch.tip" && [ "$tip" = "$from" ] || return 1
    while IFS= read -r line && [ -n "$line" ]; do :; done
    want=
    while IFS= read -r line; do
        want="$want$line
"
    done
    [ "$have
" = "$want" ]
}
