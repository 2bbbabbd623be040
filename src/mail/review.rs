//! The one comment on a pull request that says what its plan would do.
//!
//! Its first line is a mark that nobody sees, with the digest of the plan that
//! people looked at. Anybody can write such a line, so whoever looks for it also
//! looks at who wrote the comment.

use crate::model::Digest;

/// How the mark begins. Whatever is quoted cannot hold it.
const OPENING: &str = "<!-- wavemark:plan v1";
const END: &str = " -->";
const HASH: &str = "hash=";

/// What the mark says: the digest of the plan, if it is a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanMark(pub Option<Digest>);

impl PlanMark {
    /// The mark of a comment, if it has one.
    pub fn of(body: &str) -> Option<Self> {
        let inside = body.lines().next()?.trim().strip_prefix(OPENING)?.strip_suffix(END)?;
        let mut words = inside.split(' ');
        // Else it is another version.
        (words.next() == Some("")).then_some(())?;
        let mut hash = words.filter_map(|word| word.strip_prefix(HASH));
        Some(Self(hash.next().map(str::parse).transpose().ok()?))
    }

    /// A comment with this mark.
    pub fn on(self, text: &str) -> String {
        let hash = self.0.map(|hash| format!(" {HASH}{hash}")).unwrap_or_default();
        format!("{OPENING}{hash}{END}\n{text}")
    }
}

/// What to do so that there is one comment, and it says what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// What to do about that comment.
    pub step: Step,
    /// The comments that are too many.
    pub extra: Vec<u64>,
}

/// What to do about the one comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is none: write it.
    Write,
    /// This one says something else: give it the new text.
    Edit(u64),
    /// This one says it already.
    Leave(u64),
}

impl Upkeep {
    /// What is to be done where there are these comments, ids and bodies, all of
    /// our own account. The oldest that is marked is kept: everybody chooses the
    /// same.
    pub fn of<'a>(ours: impl IntoIterator<Item = (u64, &'a str)>, wanted: &str) -> Self {
        let marked = ours.into_iter().filter(|(_, body)| PlanMark::of(body).is_some());
        let mut marked: Vec<(u64, &str)> = marked.collect();
        marked.sort_unstable();
        let step = match marked.first() {
            None => Step::Write,
            Some((id, body)) if same(body, wanted) => Step::Leave(*id),
            Some((id, _)) => Step::Edit(*id),
        };
        Self { step, extra: marked.into_iter().skip(1).map(|(id, _)| id).collect() }
    }
}

/// Whether two texts are the same to GitHub, which may give back other ends of
/// lines.
fn same(one: &str, other: &str) -> bool {
    one.trim_end().lines().eq(other.trim_end().lines())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_comment_begins_with_a_mark_that_a_program_can_read() {
        let mark = PlanMark(Some(Digest::of("a plan")));
        let body = mark.on("**Plan**");
        insta::assert_snapshot!(body, @"
        <!-- wavemark:plan v1 hash=a27fa2bacd5796b82680016a6b8865a616a9e4f6b6a198d3776ddc07536e3158 -->
        **Plan**
        ");
        assert_eq!(PlanMark::of(&body), Some(mark));
        assert_eq!(PlanMark::of(&body.replace('\n', "\r\n")), Some(mark));
        assert_eq!(PlanMark::of(&PlanMark(None).on("text")), Some(PlanMark(None)));
    }

    #[test]
    fn what_is_no_mark_on_the_first_line_is_none() {
        let body = PlanMark(Some(Digest::of("a plan"))).on("text");
        for other in [
            "",
            "text",
            &format!("text\n{body}"),
            &format!("> {body}"),
            &body.replace("v1", "v2"),
            &body.replace("v1", "v12"),
            &body.replace(" -->", ""),
            &body.replace("hash=", "hash=0"),
            "<!-- wavemark:issue 00000000-0000-0000-0000-000000000007 00 -->",
        ] {
            assert_eq!(PlanMark::of(other), None, "{other}");
        }
    }

    #[test]
    fn one_comment_is_kept_and_brought_up_to_date() {
        let (old, new) = (PlanMark(None).on("old"), PlanMark(None).on("new\n"));
        let upkeep = |ours: &[(u64, &str)]| Upkeep::of(ours.iter().copied(), &new);
        let is = |step, extra: &[u64]| Upkeep { step, extra: extra.to_vec() };
        assert_eq!(upkeep(&[]), is(Step::Write, &[]));
        assert_eq!(upkeep(&[(3, "hello")]), is(Step::Write, &[]));
        assert_eq!(upkeep(&[(3, &old)]), is(Step::Edit(3), &[]));
        let crlf = new.replace('\n', "\r\n");
        assert_eq!(upkeep(&[(3, &crlf)]), is(Step::Leave(3), &[]));
        assert_eq!(upkeep(&[(9, &new), (3, &old), (5, "hello")]), is(Step::Edit(3), &[9]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn after_the_upkeep_there_is_nothing_to_do(
            there in prop::collection::btree_map(0..9_u64, "[abn]", 0..4),
        ) {
            let wanted = PlanMark(None).on("n");
            let mut ours: Vec<(u64, String)> =
                there.iter().map(|(id, text)| (*id, PlanMark(None).on(text))).collect();
            let view = |ours: &[(u64, String)]| {
                Upkeep::of(ours.iter().map(|(id, body)| (*id, body.as_str())), &wanted)
            };
            let Upkeep { step, extra } = view(&ours);
            ours.retain(|(id, _)| !extra.contains(id));
            match step {
                Step::Write => ours.push((100, wanted.clone())),
                Step::Edit(id) => ours.iter_mut().filter(|it| it.0 == id).for_each(|it| it.1.clone_from(&wanted)),
                Step::Leave(_) => {}
            }
            let Upkeep { step, extra } = view(&ours);
            prop_assert!(matches!(step, Step::Leave(_)) && extra.is_empty() && ours.len() == 1);
        }
    }
}
