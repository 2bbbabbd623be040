#!/bin/sh
# Echo writes the messages, and asks which voice they are to speak with.
#
# Asking ends the run: nothing waits, no machine idles. Once somebody has answered,
# the next run finds the thread in `feedback/` and its own draft in `checkpoints/`.
. "${0%/*}/lib.sh"

architecture=$(dep echo doc/architecture.md)
QUESTION="Which voice shall the messages speak with?"

draft() {
    say "# Drafts for $(asked_for Product)"
    say
    sed -n 's/^## /- /p' "$architecture"
}

messages() {
    say "# The messages"
    sed -n 's/^- //p' "$(mine doc/draft.md)" | while read -r message; do
        say
        say "## $message"
        say
        say "$(asked_for Product) runs waves of agents while you sleep. (Voice: $voice)"
    done
    remarks
}

messages_json() {
    say '{'
    say "  \"voice\": $(say "$voice" | text),"
    say "  \"product\": $(asked_for Product | text),"
    say "  \"messages\": $(sed -n 's/^- //p' "$(mine doc/draft.md)" | texts)"
    say '}'
}

step doc/draft.md draft
if ! voice=$(answer_to "$QUESTION"); then
    wavemark ask "$QUESTION"
    say "asked; an answer starts me again"
    exit 0
fi
step doc/messages.md messages
step schema/messages.json messages_json
summary "$(sed -n 's/^- //p' "$(mine doc/draft.md)" | grep -c .) messages. The voice, as answered: $voice"
