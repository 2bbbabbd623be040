#!/bin/sh
# Counts the files of each kind in the project, and stores the list.
set -eu

kinds() {
    (cd "$WAVEMARK_REPO" && find . \( -name '.?*' -o -name node_modules -o -name target \) -prune \
        -o -type f -name '*.*' -print) | sed 's/.*\.//' | sort | uniq -c | sort -rn | head -n 20
}

{
    echo '# Files'
    echo
    kinds | while read -r number kind; do
        echo "- $number of .$kind"
    done
} >files.md
wavemark checkpoint doc files.md files.md
