//! The mark in a file that Wavemark wrote: by which version, and the digest of
//! everything else in it.
//!
//! It is the first line, or the second where the first has to be something
//! else (`#!/bin/sh`, or the `{` of JSON). It says whether anybody has edited
//! the file since, and so whether it may be written anew.

use crate::model::Digest;

const WORDS: &str = "Written by wavemark ";
const DIGEST: &str = ", sha256 ";
const WHY: &str = ": `wavemark init` keeps it up to date until somebody edits it";

/// Whose a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody else's: it has no mark.
    Foreign,
    /// Written by Wavemark and edited since.
    Edited,
    /// As this version of Wavemark wrote it.
    Intact(String),
}

/// Whose `text` is.
pub fn origin(text: &str) -> Origin {
    let Some((at, version, digest)) = find(text) else { return Origin::Foreign };
    match Digest::of(rest(text, at)) == digest {
        true => Origin::Intact(version.to_owned()),
        false => Origin::Edited,
    }
}

/// `text` with a mark of this `version` in it, in place of one that it has.
pub(super) fn seal(text: &str, version: &str) -> String {
    let bare = match find(text) {
        Some((at, ..)) => rest(text, at),
        None => text.to_owned(),
    };
    let digest = Digest::of(&bare);
    let words = format!("{WORDS}{version}{DIGEST}{digest}{WHY}");
    let (first, after) = bare.split_once('\n').unwrap_or((&bare, ""));
    match first {
        "{" => format!("{first}\n  \"$comment\": \"{words}\",\n{after}"),
        _ if first.starts_with("#!") => format!("{first}\n# {words}\n{after}"),
        _ => format!("# {words}\n{bare}"),
    }
}

/// The number of the line with the mark, the version and the digest in it.
fn find(text: &str) -> Option<(usize, &str, Digest)> {
    text.lines().take(2).enumerate().find_map(|(at, line)| {
        let (_, words) = line.split_once(WORDS)?;
        let (version, words) = words.split_once(DIGEST)?;
        Some((at, version, words.get(..64)?.parse().ok()?))
    })
}

/// All lines but that one. A checkout may have turned the ends of lines into
/// those of Windows.
fn rest(text: &str, at: usize) -> String {
    let lines = text.split_inclusive('\n').enumerate();
    let kept: String = lines.filter(|(number, _)| *number != at).map(|(_, line)| line).collect();
    kept.replace("\r\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_where_the_kind_of_file_allows_it() {
        let sealed = ["on: push\n", "#!/bin/sh\nexit\n", "{\n  \"a\": 1\n}\n"]
            .map(|text| seal(text, "1.2.3").replace(&Digest::of(text).to_string(), "<digest>"));
        insta::assert_snapshot!(sealed.join("\n"), @r#"
        # Written by wavemark 1.2.3, sha256 <digest>: `wavemark init` keeps it up to date until somebody edits it
        on: push

        #!/bin/sh
        # Written by wavemark 1.2.3, sha256 <digest>: `wavemark init` keeps it up to date until somebody edits it
        exit

        {
          "$comment": "Written by wavemark 1.2.3, sha256 <digest>: `wavemark init` keeps it up to date until somebody edits it",
          "a": 1
        }
        "#);
    }

    #[test]
    fn an_edit_anywhere_shows_and_a_checkout_for_windows_does_not() {
        let sealed = seal("on: push\njobs: {}\n", "1.2.3");
        assert_eq!(origin(&sealed), Origin::Intact("1.2.3".to_owned()));
        assert_eq!(origin(&sealed.replace('\n', "\r\n")), Origin::Intact("1.2.3".to_owned()));
        assert_eq!(origin(&sealed.replace("push", "pull")), Origin::Edited);
        assert_eq!(origin(&format!("{sealed}\n")), Origin::Edited);
        assert_eq!(origin(&format!("# mine\n\n{sealed}")), Origin::Foreign);
        for foreign in ["", "on: push\n", "# Written by wavemark 1, sha256 soon\n"] {
            assert_eq!(origin(foreign), Origin::Foreign);
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None, ..Default::default()
        })]

        #[test]
        fn what_is_sealed_is_intact_and_sealing_it_again_changes_nothing(
            text in "(#!/bin/sh\n|\\{\n)?([ -~]{0,20}\n){1,6}",
        ) {
            let sealed = seal(&text, "1.2.3");
            proptest::prop_assert_eq!(origin(&sealed), Origin::Intact("1.2.3".to_owned()));
            proptest::prop_assert_eq!(seal(&sealed, "1.2.3"), sealed);
        }
    }
}
