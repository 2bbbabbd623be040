#!/bin/sh
# Writes a page from what `survey` stored, and from what people said about it.
set -eu

{
    echo "# $WAVEMARK_PROJECT"
    echo
    echo "The task was: $(head -n 1 "$WAVEMARK_DIR/prompt.md")"
    echo
    sed 's/^# Files/What it holds:/' "$WAVEMARK_DIR/deps/survey/doc/files.md"
    for said in "$WAVEMARK_DIR"/feedback/*.md; do
        [ -e "$said" ] || continue
        echo
        sed 's/^/> /' "$said"
    done
} >summary.md
wavemark checkpoint doc summary.md summary.md
echo 'Wrote one page about the project.' >"$WAVEMARK_OUT/SUMMARY.md"
