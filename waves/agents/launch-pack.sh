#!/bin/sh
# Gathers what the others built, and writes the page that a person reads last.
. "${0%/*}/lib.sh"

# Every file that came from another agent, as `<agent>/<type>/<name>`.
parts() {
    (cd "$WAVEMARK_DIR/deps" && find . -type f | sed 's,^\./,,' | LC_ALL=C sort)
}

manifest() {
    say '{'
    say '  "parts": ['
    parts | while read -r part; do
        sum=$(cksum <"$WAVEMARK_DIR/deps/$part")
        say "    { \"part\": \"$part\", \"crc\": ${sum% *}, \"bytes\": ${sum#* } }"
    done | rows
    say '  ]'
    say '}'
}

launch() {
    say "# Ready to launch"
    say
    value part "$(mine schema/manifest.json)" | sed 's/^/- [ ] /'
    remarks
}

step schema/manifest.json manifest
step doc/launch.md launch
summary "$(parts | grep -c .) files, checked and listed. The button is yours."
