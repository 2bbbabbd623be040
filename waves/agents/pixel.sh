#!/bin/sh
# Pixel: researches the look. It is reviewed while others already build on it.
. "${0%/*}/lib.sh"

research() {
    say "# What the launch looks like"
    asked_for Moods | while read -r mood; do
        say
        say "## $mood"
        say
        say "Works with $(asked_for Colours | sed 's/ .*//' | paste -s -d , - | sed 's/,/, /g')."
    done
    remarks
}

palette() {
    say '{'
    say '  "colours": ['
    asked_for Colours | sed 's/\([^ ]*\) \(.*\)/    { "name": "\1", "rgb": "\2" }/' | rows
    say '  ]'
    say '}'
}

step doc/research.md research 2
step schema/palette.json palette
summary "$(asked_for Moods | grep -c .) moods, $(asked_for Colours | grep -c .) colours."
