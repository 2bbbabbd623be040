#!/bin/sh
# Pixel designs a template for every size, in the colours of its own research.
. "${0%/*}/lib.sh"

palette=$(dep pixel schema/palette.json)

templates() {
    say '{'
    say "  \"colours\": $(value rgb "$palette" | texts),"
    say '  "templates": ['
    asked_for Sizes | sed 's/\(.*\)x\(.*\)/    { "width": \1, "height": \2, "margin": 64 }/' | rows
    say '  ]'
    say '}'
}

image() {
    say "Draw the background of a launch picture. No text, no logo, no faces. Use these"
    say "colours and no others: $(value name "$palette" | paste -s -d , - | sed 's/,/, /g')."
}

overview() {
    say "# Templates"
    say
    asked_for Sizes | sed 's/^/- /'
    remarks
}

step schema/templates.json templates
step prompt/image.md image
step doc/templates.md overview
summary "$(asked_for Sizes | grep -c .) templates in $(value rgb "$palette" | grep -c .) colours."
