#!/bin/sh
# Vision: designs the spreadsheet that the launch is steered by.
. "${0%/*}/lib.sh"

outline() {
    say "# The launch calendar, outlined"
    say
    say "One sheet with a row for every message, over $(asked_for Weeks) weeks:"
    say
    asked_for Columns | sed 's/^/1. /'
}

sheet() {
    say '{'
    say "  \"\$schema\": \"https://json-schema.org/draft/2020-12/schema\","
    say '  "title": "Launch calendar",'
    say '  "type": "object",'
    say '  "properties": {'
    asked_for Columns | while read -r column; do
        case $column in
        date) say '    "date": { "type": "string", "format": "date" }' ;;
        channel) say "    \"channel\": { \"enum\": $(asked_for Channels | texts) }" ;;
        status) say '    "status": { "enum": ["planned", "written", "sent"] }' ;;
        *) say "    \"$column\": { \"type\": \"string\", \"minLength\": 1 }" ;;
        esac
    done | rows
    say '  },'
    say "  \"required\": $(asked_for Columns | texts)"
    say '}'
}

fill_sheet() {
    say "Fill the launch calendar in Google Sheets. Keep to these columns, in this"
    say "order: $(asked_for Columns | paste -s -d , - | sed 's/,/, /g'). Leave a cell empty"
    say "rather than guess what belongs in it."
}

calendar() {
    say "# The first $(asked_for Weeks) weeks"
    say
    say "| week | channel | status |"
    say "|---|---|---|"
    week=1
    while [ "$week" -le "$(asked_for Weeks)" ]; do
        asked_for Channels | sed "s/.*/| $week | & | planned |/"
        week=$((week + 1))
    done
    remarks
}

step doc/outline.md outline
step schema/sheet.json sheet
step prompt/fill-sheet.md fill_sheet
step doc/calendar.md calendar
summary "A calendar of $(asked_for Columns | grep -c .) columns for $(asked_for Weeks) weeks, ready for Google Sheets."
