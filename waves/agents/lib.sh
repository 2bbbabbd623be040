# shellcheck shell=sh
# What every agent of this example does alike. Sourced, never run.
#
# An agent is any program. Wavemark starts it in a run directory and takes every
# file that is renamed into `$WAVEMARK_OUT/<type>/<name>` as a checkpoint: stored,
# hashed and committed while the agent goes on. These helpers do no more than that.

set -eu

# Seconds that one piece of work takes. Real agents think; these ones sleep.
PACE=${PACE:-1}

# Every artifact says which generation it is of. `wavemark rebuild` asks for a
# new one, so what an older one left is read, but not taken for done.
STAMP="made by $WAVEMARK_AGENT in generation $WAVEMARK_GENERATION."

# The last step that an earlier run of this generation had stored.
reached=

# say TEXT: one line for the log.
say() {
    printf '%s\n' "$*"
}

# step TYPE/NAME FUNCTION [PIECES]: does PIECES of work (one, if not said), and
# stores what FUNCTION prints; unless an earlier run has done so already.
step() {
    if grep -qsF "$STAMP" "$WAVEMARK_DIR/checkpoints/$1"; then
        reached=$1
        return
    fi
    if [ -n "$reached" ]; then
        say "resuming after $reached"
        reached=
    fi
    say "working on $1"
    pieces=${3:-1}
    while [ "$pieces" -gt 0 ]; do
        sleep "$PACE"
        pieces=$((pieces - 1))
    done
    mkdir -p "$WAVEMARK_OUT/.tmp"
    "$2" >"$WAVEMARK_OUT/.tmp/draft"
    emit "$1" <"$WAVEMARK_OUT/.tmp/draft"
}

# emit TYPE/NAME: stores stdin, stamped. Written aside and renamed into place, so
# that nobody ever sees half of it.
emit() {
    mkdir -p "$WAVEMARK_OUT/.tmp" "$WAVEMARK_OUT/${1%/*}"
    case $1 in
    *.json) # JSON has no comments, JSON Schema has a word for them.
        read -r brace
        say "$brace"
        say "  \"\$comment\": \"$STAMP\","
        cat
        ;;
    *)
        cat
        say
        say "<!-- $STAMP -->"
        ;;
    esac >"$WAVEMARK_OUT/.tmp/stamped"
    mv "$WAVEMARK_OUT/.tmp/stamped" "$WAVEMARK_OUT/$1"
}

# summary TEXT: what `wavemark status` and the people who review it read.
summary() {
    mkdir -p "$WAVEMARK_OUT/.tmp"
    printf '%s\n' "$*" >"$WAVEMARK_OUT/.tmp/summary"
    mv "$WAVEMARK_OUT/.tmp/summary" "$WAVEMARK_OUT/SUMMARY.md"
    say "done"
}

# mine TYPE/NAME: prints the path of this agent's own artifact, of this run or of
# an earlier one.
mine() {
    if [ -f "$WAVEMARK_OUT/$1" ]; then
        say "$WAVEMARK_OUT/$1"
    else
        say "$WAVEMARK_DIR/checkpoints/$1"
    fi
}

# dep AGENT TYPE/NAME: prints the path of another agent's artifact.
dep() {
    if [ ! -f "$WAVEMARK_DIR/deps/$1/$2" ]; then
        say "$1 has no $2" >&2
        return 1
    fi
    say "$WAVEMARK_DIR/deps/$1/$2"
}

# asked_for KEY: prints what the prompt lists as `- KEY: a, b, c`, one per line.
#
# What people said stands at the end of the prompt. If one of them wrote such a
# line too, that is the one that counts.
asked_for() {
    sed -n "s/^- $1: //p" "$WAVEMARK_DIR/prompt.md" | tail -n 1 | tr ',' '\n' | sed 's/^ *//; s/ *$//'
}

# value KEY FILE: prints every text that a JSON file of ours has under KEY.
value() {
    sed -n 's/.*"'"$1"'": "\([^"\]*\(\\.[^"\]*\)*\)".*/\1/p' "$2" | sed 's/\\\(.\)/\1/g'
}

# text: a line in, a JSON string out.
text() {
    sed 's/[[:cntrl:]]//g; s/[\\"]/\\&/g; s/.*/"&"/'
}

# texts: lines in, a JSON array of strings out.
texts() {
    text | paste -s -d , - | sed 's/","/", "/g; s/.*/[&]/'
}

# rows: lines in, the same lines out with a comma after each but the last, as
# the members of a JSON array or object are written.
rows() {
    sed '$!s/$/,/'
}

# remarks: prints what people said so far, as the last part of a document.
remarks() {
    for thread in "$WAVEMARK_DIR"/feedback/*.md; do
        [ -f "$thread" ] || return 0
        say
        say "Said about it:"
        say
        sed 's/^/> /; s/ *$//' "$thread"
    done
}

# answer_to QUESTION: prints what a person answered; fails if nobody has yet.
#
# The thread is a file: the question first, the answer last, both between fences.
answer_to() {
    thread=$(grep -lsF "$1" "$WAVEMARK_DIR"/feedback/*.md | tail -n 1)
    [ -n "$thread" ] || return 1
    # Closed without a word: there is no answer, but no use in asking again.
    grep -v '^ *$' "$thread" | grep -v '^```' | tail -n 1 | grep -vF "$1" ||
        say "whatever you think best"
}
