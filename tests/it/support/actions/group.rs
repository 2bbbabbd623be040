//! Concurrency groups: in each, one runs and one waits. Who comes later takes the
//! place of the one that waits.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex},
};

use super::cancel::Cancel;

#[derive(Debug, Default)]
pub(super) struct Groups {
    all: Mutex<BTreeMap<String, Group>>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Group {
    running: Option<Cancel>,
    waiting: Option<Cancel>,
}

/// A place in a group, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    groups: &'a Groups,
    name: String,
}

impl Groups {
    /// Waits for its turn; `None` if somebody else took its place, or if it was
    /// cancelled.
    pub(super) fn enter(&self, name: &str, me: &Cancel, cancels: bool) -> Option<Place<'_>> {
        let name = name.to_lowercase();
        let mut all = self.all.lock().unwrap();
        let group = all.entry(name.clone()).or_default();
        if let Some(before) = group.waiting.replace(me.clone()) {
            before.ask();
        }
        if let (true, Some(running)) = (cancels, &group.running) {
            running.ask();
        }
        self.changed.notify_all();
        loop {
            let group = all.get_mut(&name).unwrap();
            if me.is_asked() {
                if group.waiting.as_ref().is_some_and(|waiting| waiting.is(me)) {
                    group.waiting = None;
                }
                return None;
            }
            if group.running.is_none() {
                group.running = group.waiting.take();
                return Some(Place { groups: self, name });
            }
            let beat = std::time::Duration::from_millis(100);
            all = self.changed.wait_timeout(all, beat).unwrap().0;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.groups.all.lock().unwrap().get_mut(&self.name).unwrap().running = None;
        self.groups.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::support::wait_until;

    #[test]
    fn whoever_comes_later_takes_the_place_of_the_one_that_waits() {
        let groups = Groups::default();
        let (second, third) = (Cancel::default(), Cancel::default());
        let first = groups.enter("tick", &Cancel::default(), false);
        thread::scope(|scope| {
            let waits = scope.spawn(|| groups.enter("Tick", &second, false).is_some());
            wait_until("the second waits", || groups.all.lock().unwrap()["tick"].waiting.is_some());
            let later = scope.spawn(|| groups.enter("tick", &third, false).is_some());
            assert!(!waits.join().unwrap());
            drop(first);
            assert!(later.join().unwrap());
        });
    }
}
