#!/bin/sh
# Reel cuts the film: a script, an edit list, captions.
. "${0%/*}/lib.sh"

storyboard=$(dep reel schema/storyboard.json)
palette=$(dep pixel schema/palette.json)

script() {
    say "# Script"
    value scene "$storyboard" | while read -r scene; do
        say
        say "**$scene**: a wave comes in, and leaves its mark."
    done
    remarks
}

edit_list() {
    background=$(value rgb "$palette" | head -n 1)
    say '{'
    say "  \"format\": \"$(value format "$storyboard")\","
    say '  "cuts": ['
    value scene "$storyboard" | sed "s/.*/    { \"scene\": \"&\", \"background\": \"$background\" }/" | rows
    say '  ]'
    say '}'
}

captions() {
    say "# Captions"
    asked_for Languages | while read -r language; do
        say
        say "## $language"
        say
        value scene "$storyboard" | sed "s/.*/- [&] in $language/"
    done
}

step doc/script.md script
step schema/edit-list.json edit_list
step doc/captions.md captions
summary "$(value scene "$storyboard" | grep -c .) scenes cut and captioned in $(asked_for Languages | grep -c .) languages."
