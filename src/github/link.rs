//! The `Link` header: where the next page is.

/// The URL of the next page, if the header names one.
pub(super) fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        // A URL may hold commas and semicolons, but no angle bracket.
        let (url, after) = rest[rest.find('<')? + 1..].split_once('>')?;
        let (parameters, others) = after.split_at(after.find('<').unwrap_or(after.len()));
        if parameters.split([';', ',']).any(says_next) {
            return Some(url);
        }
        rest = others;
    }
}

fn says_next(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        let mut kinds = value.trim().trim_matches('"').split_ascii_whitespace();
        name.trim().eq_ignore_ascii_case("rel")
            && kinds.any(|kind| kind.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_next_page_is_found_wherever_it_stands() {
        let url = "https://api.github.com/x?a=1,2;3&page=2";
        for header in [
            format!(r#"<{url}>; rel="next", <https://api.github.com/x?page=9>; rel="last""#),
            format!(r#"<https://api.github.com/x?page=1>; rel="prev", <{url}>; rel="next""#),
            format!("<{url}>;rel=next"),
            format!(r#"<{url}>; title="x"; REL="last Next""#),
        ] {
            assert_eq!(next(&header), Some(url), "{header}");
        }
    }

    #[test]
    fn what_is_not_a_next_page_is_none() {
        for header in
            ["", "next", "<", "<a>", r#"<a>; rel="last""#, r#"<a>; title="rel=next""#, "rel=next"]
        {
            assert_eq!(next(header), None, "{header}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn anything_may_come_as_a_header(header in any::<String>()) {
            if let Some(url) = next(&header) {
                let whole = format!("<{url}>");
                prop_assert!(header.contains(&whole));
            }
        }

        #[test]
        fn the_first_that_says_next_is_it(
            links in prop::collection::vec(("[a-z:/?&=,;0-9]{0,20}", "next|prev|first|last"), 0..5),
        ) {
            let header: Vec<String> =
                links.iter().map(|(url, rel)| format!(r#"<{url}>; rel="{rel}""#)).collect();
            let expected = links.iter().find(|(_, rel)| rel == "next").map(|(url, _)| url.as_str());
            let header = header.join(", ");
            prop_assert_eq!(next(&header), expected);
        }
    }
}
