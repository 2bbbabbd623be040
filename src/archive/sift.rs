//! Finds the few that a host refuses among the many that it takes.
//!
//! A host refuses a push as a whole. So prefixes of it are pushed, each half as
//! long as the last, until one is taken: what is taken is done with, and what is
//! left is shorter. One bad item among `n` costs about log₂ n pushes, and hosts
//! often name it, which saves even those.
//!
//! **Invariant:** an item is blamed only for what it is: the host named it, or
//! spoke of what is in files and refused a push that was taken without the item.
//! If the words are of an unknown kind, it takes more, since they may be about
//! everything: a push with the item was refused, and one with another item was
//! taken after that. What can't be settled is left for the next time.

use super::{Error, Refusal};

/// So many pushes are tried at a time: two bad ones among a thousand are found.
pub(super) const MOST: usize = 24;

/// How a push ended.
pub(super) enum Tried<L> {
    /// The host took it.
    Taken(Vec<L>),
    /// It did not.
    Refused {
        /// In its words.
        refusal: Refusal,
        /// The places, in the push, of what it named.
        named: Vec<usize>,
    },
}

/// What became of all.
pub(super) struct Sifted<T, L> {
    /// What was taken.
    pub(super) taken: Vec<L>,
    /// What is refused for what it is, and why.
    pub(super) refused: Vec<(T, Refusal)>,
    /// Why the rest was neither.
    pub(super) halt: Option<Halt>,
}

/// Why it did not go on.
pub(super) enum Halt {
    /// The push did not get through.
    Failed(Error),
    /// Whatever is pushed is refused.
    Everything(Refusal),
    /// It took too many pushes; so many items are left.
    Enough(usize),
}

/// Pushes `items` in order, leaving out those that are refused.
pub(super) fn sift<T: Clone, L>(
    items: &[T],
    mut push: impl FnMut(&[T]) -> Result<Tried<L>, Error>,
) -> Sifted<T, L> {
    let mut sieve = Sieve {
        left: items.to_vec(),
        bad_within: None,
        window: usize::MAX,
        suspects: Vec::new(),
        taken_since: true,
        done: Sifted { taken: Vec::new(), refused: Vec::new(), halt: None },
    };
    let mut pushes = 0;
    while let Some(count) = sieve.next() {
        if pushes == MOST {
            sieve.done.halt = Some(Halt::Enough(sieve.left.len()));
            break;
        }
        pushes += 1;
        match push(&sieve.left[..count]) {
            Ok(tried) => sieve.learn(count, tried),
            Err(err) => sieve.done.halt = Some(Halt::Failed(err)),
        }
        if sieve.done.halt.is_some() {
            break;
        }
    }
    sieve.finish()
}

struct Sieve<T, L> {
    /// What is neither taken nor blamed, in order.
    left: Vec<T>,
    /// So many of those at the front were refused together: one of them is bad.
    bad_within: Option<(usize, Refusal)>,
    /// So many are pushed when nothing is known.
    window: usize,
    /// Refused, for a reason that may be about everything.
    suspects: Vec<(T, Refusal)>,
    /// Whether anything was taken since the last was blamed.
    taken_since: bool,
    done: Sifted<T, L>,
}

impl<T, L> Sieve<T, L> {
    /// How many to push next.
    fn next(&mut self) -> Option<usize> {
        if let Some((1, _)) = self.bad_within
            && let Some((_, refusal)) = self.bad_within.take()
        {
            self.blame(refusal);
        }
        let count = match self.bad_within {
            Some((within, _)) => within / 2,
            None => self.window.min(self.left.len()),
        };
        (count > 0 && self.done.halt.is_none()).then_some(count)
    }

    fn learn(&mut self, count: usize, tried: Tried<L>) {
        match tried {
            Tried::Taken(taken) => {
                self.done.taken.extend(taken);
                self.left.drain(..count);
                // The host is not against everything, then.
                self.done.refused.append(&mut self.suspects);
                self.taken_since = true;
                match &mut self.bad_within {
                    Some((within, _)) => *within -= count,
                    None => self.window = self.window.saturating_mul(2),
                }
            }
            Tried::Refused { refusal, mut named } if refusal.about().is_a_file() => {
                named.sort_unstable();
                named.dedup();
                self.bad_within = named.is_empty().then(|| (count, refusal.clone()));
                for place in named.into_iter().rev().filter(|place| *place < count) {
                    self.done.refused.push((self.left.remove(place), refusal.clone()));
                }
            }
            Tried::Refused { refusal, .. } if refusal.about() == super::About::Unknown => {
                self.bad_within = Some((count, refusal));
            }
            Tried::Refused { refusal, .. } => {
                self.done.halt = Some(Halt::Everything(refusal));
            }
        }
    }

    /// The one at the front is bad.
    fn blame(&mut self, refusal: Refusal) {
        let item = self.left.remove(0);
        // Bad ones that stand together are not looked for among all.
        self.window = if self.taken_since { usize::MAX } else { 1 };
        self.taken_since = false;
        if refusal.about().is_a_file() {
            self.done.refused.push((item, refusal));
        } else if self.suspects.is_empty() {
            self.suspects.push((item, refusal));
            // Is it about everything?
            self.window = 1;
        } else {
            // Two in a row, and nothing between them was taken.
            self.done.halt = Some(Halt::Everything(refusal));
        }
    }

    fn finish(mut self) -> Sifted<T, L> {
        if self.done.halt.is_none()
            && let Some((_, refusal)) = self.suspects.pop()
        {
            self.done.halt = Some(Halt::Everything(refusal));
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "push cannot contain secrets";

    struct Outcome {
        taken: Vec<usize>,
        refused: Vec<usize>,
        pushes: usize,
        settled: bool,
    }

    /// A host that refuses these, among so many, with such words.
    fn host(count: usize, bad: &BTreeSet<usize>, words: &str, names: bool) -> Outcome {
        let mut pushes = 0;
        let items: Vec<usize> = (0..count).collect();
        let sifted = sift(&items, |pushed| {
            pushes += 1;
            let found = (0..pushed.len()).filter(|place| bad.contains(&pushed[*place]));
            let found: Vec<usize> = found.collect();
            Ok(match found.is_empty() {
                true => Tried::Taken(pushed.to_vec()),
                false => Tried::Refused {
                    refusal: Refusal::new(words, b""),
                    named: if names { found.into_iter().take(5).collect() } else { Vec::new() },
                },
            })
        });
        let mut refused: Vec<usize> = sifted.refused.into_iter().map(|(item, _)| item).collect();
        refused.sort_unstable();
        Outcome { taken: sifted.taken, refused, pushes, settled: sifted.halt.is_none() }
    }

    #[test]
    fn one_or_two_among_a_thousand_take_few_pushes() {
        let mut most = [0, 0, 0];
        for place in (0..1_000).step_by(7) {
            let one = host(1_000, &[place].into(), SECRET, false);
            let two = host(1_000, &[place, (place * 31 + 500) % 1_000].into(), SECRET, false);
            let named = host(1_000, &[place].into(), SECRET, true);
            for (most, outcome) in most.iter_mut().zip([one, two, named]) {
                assert!(outcome.settled);
                *most = (*most).max(outcome.pushes);
            }
        }
        assert_eq!(most, [12, 23, 2]);
    }

    #[test]
    fn a_host_that_refuses_everything_blames_nobody() {
        for count in [1, 2, 3, 1_000] {
            let all: BTreeSet<usize> = (0..count).collect();
            let unknown = host(count, &all, "not on a Sunday", false);
            assert_eq!((unknown.refused.len(), unknown.settled), (0, false), "{count}");
            assert!(unknown.pushes <= 12, "{}", unknown.pushes);
            let known = host(count, &all, "GH006", false);
            assert_eq!((known.refused.len(), known.pushes, known.settled), (0, 1, false));
        }
    }

    #[test]
    fn what_is_refused_for_unknown_reasons_is_blamed_when_others_are_taken() {
        let outcome = host(9, &[4].into(), "we do not like it", false);
        assert_eq!((outcome.refused, outcome.taken.len()), (vec![4], 8));
        // With nothing after it there is no telling whether the host had enough.
        let outcome = host(9, &[8].into(), "we do not like it", false);
        assert_eq!((outcome.refused.len(), outcome.taken.len(), outcome.settled), (0, 8, false));
    }

    #[test]
    fn when_all_are_bad_as_many_are_found_as_pushes_allow() {
        let all: BTreeSet<usize> = (0..100).collect();
        let outcome = host(100, &all, SECRET, false);
        assert_eq!((outcome.taken.len(), outcome.pushes, outcome.settled), (0, MOST, false));
        assert!(outcome.refused.len() > 10, "{}", outcome.refused.len());
        let named = host(100, &all, SECRET, true);
        assert_eq!((named.refused.len(), named.pushes, named.settled), (100, 20, true));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nobody_is_blamed_for_another(
            count in 0..200_usize,
            bad in prop::collection::btree_set(0..200_usize, 0..6),
            words in prop::sample::select(vec![SECRET, "we do not like it"]),
            names: bool,
        ) {
            let outcome = host(count, &bad, words, names);
            prop_assert!(outcome.pushes <= MOST);
            prop_assert!(outcome.refused.iter().all(|item| bad.contains(item)));
            prop_assert!(outcome.taken.iter().all(|item| !bad.contains(item)));
            prop_assert!(outcome.taken.is_sorted());
            if outcome.settled {
                prop_assert_eq!(outcome.taken.len() + outcome.refused.len(), count);
            }
        }
    }
}
