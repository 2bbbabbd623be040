#!/bin/sh
# Reel: specifies the film. It is the slow one, and stores every stage: stop it
# at any moment, with `kill -9` if you like, and its next run goes on from there.
. "${0%/*}/lib.sh"

outline() {
    say "# The film, in $(asked_for Scenes | grep -c .) scenes"
    say
    asked_for Scenes | sed 's/^/1. /'
}

scenes() {
    say "# Scene by scene"
    asked_for Scenes | while read -r scene; do
        say
        say "## $scene"
        say
        say "One thought, one picture, $(asked_for Seconds) seconds."
    done
    remarks
}

storyboard() {
    start=0
    say '{'
    say "  \"format\": \"$(asked_for Format)\","
    say '  "scenes": ['
    asked_for Scenes | while read -r scene; do
        say "    { \"scene\": \"$scene\", \"from\": $start, \"to\": $((start + $(asked_for Seconds))) }"
        start=$((start + $(asked_for Seconds)))
    done | rows
    say '  ]'
    say '}'
}

narration() {
    say "You narrate a film without showing off. One sentence for each of these scenes,"
    say "short enough to be spoken in $(asked_for Seconds) seconds:"
    value scene "$(mine schema/storyboard.json)" | sed 's/^/- /'
}

specs() {
    say "# Specs"
    say
    say "- format: $(value format "$(mine schema/storyboard.json)")"
    say "- scenes: $(value scene "$(mine schema/storyboard.json)" | grep -c .)"
    say "- narration: see \`prompt/narration.md\`"
    remarks
}

step doc/outline.md outline 2
step doc/scenes.md scenes 2
step schema/storyboard.json storyboard 2
step prompt/narration.md narration 2
step doc/specs.md specs 2
summary "A film of $(asked_for Scenes | grep -c .) scenes, specified down to the second."
