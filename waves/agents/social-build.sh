#!/bin/sh
# Social makes a post of every message, for every network in the prompt.
. "${0%/*}/lib.sh"

messages=$(dep echo-build doc/messages.md)
voice=$(value voice "$(dep echo-build schema/messages.json)")
calendar=$(dep vision doc/calendar.md)

post() {
    say '{'
    say "  \"\$schema\": \"https://json-schema.org/draft/2020-12/schema\","
    say '  "title": "Post",'
    say '  "type": "object",'
    say '  "properties": {'
    say "    \"network\": { \"enum\": $(asked_for Networks | texts) },"
    say "    \"message\": { \"enum\": $(sed -n 's/^## //p' "$messages" | texts) },"
    say '    "text": { "type": "string", "maxLength": 500 }'
    say '  },'
    say '  "required": ["network", "message", "text"]'
    say '}'
}

posts() {
    say "# Posts, in the voice: $voice"
    asked_for Networks | while read -r network; do
        say
        say "## $network"
        say
        sed -n 's/^## //p' "$messages" | sed 's/^/- /'
    done
    say
    say "Their rows in the calendar: $(grep -c '| social |' "$calendar")."
    remarks
}

step schema/post.json post
step doc/posts.md posts
summary "Posts for $(asked_for Networks | grep -c .) networks, with their rows in Vision's calendar."
