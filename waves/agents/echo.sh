#!/bin/sh
# Echo: decides what the messages of the launch are made of.
. "${0%/*}/lib.sh"

architecture() {
    say "# The messages"
    asked_for Messages | while read -r message; do
        say
        say "## $message"
        say
        asked_for Parts | sed 's/^/- /'
    done
    say
    say "None is longer than $(asked_for Longest)."
    remarks
}

message() {
    say '{'
    say "  \"\$schema\": \"https://json-schema.org/draft/2020-12/schema\","
    say '  "title": "Message",'
    say '  "type": "object",'
    say '  "properties": {'
    say "    \"message\": { \"enum\": $(asked_for Messages | texts) },"
    asked_for Parts | sed 's/.*/    "&": { "type": "string", "minLength": 1 }/' | rows
    say '  },'
    say "  \"required\": $(asked_for Parts | texts),"
    say '  "additionalProperties": false'
    say '}'
}

voice() {
    say "You write one message of a launch. Give every part that the schema asks for:"
    asked_for Parts | sed 's/^/- /'
    say "Stay below $(asked_for Longest). Promise nothing that the product doesn't do."
}

step doc/architecture.md architecture
step schema/message.json message
step prompt/voice.md voice
summary "$(asked_for Messages | grep -c .) messages of $(asked_for Parts | grep -c .) parts each, as a schema and a prompt."
