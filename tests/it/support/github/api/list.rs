//! Lists: filters by time, an order, pages with links between them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Answer, Call, clock};
use crate::support::github::clock::Instant;

impl Call<'_> {
    /// Whether something changed since what the request asks for, the second
    /// itself included.
    pub(super) fn since(&self, updated_at: Instant) -> bool {
        let since = self.request.asks("since");
        since.is_none_or(|since| updated_at >= since.parse::<Instant>().unwrap())
    }

    /// Puts a list into the order that the request asks for.
    pub(super) fn sort<T>(&self, items: &mut [T], ascending: bool, key: impl Fn(&T) -> (i64, u64)) {
        items.sort_by_key(key);
        let ascending = self.request.asks("direction").map_or(ascending, |way| way == "asc");
        if !ascending {
            items.reverse();
        }
    }

    /// One page of a list.
    pub(super) fn page(&self, items: Vec<Value>) -> Answer {
        let (page, links) = self.cut(items);
        let answer = Answer::ok(page.into());
        if links.is_empty() { answer } else { answer.with("link", links) }
    }

    /// One page of a list that has a name and says how long it is.
    pub(super) fn named_page(&self, name: &str, items: Vec<Value>) -> Answer {
        let total = items.len();
        let mut answer = self.page(items);
        let page = answer.body.take();
        let mut body = serde_json::Map::new();
        body.insert("total_count".to_owned(), total.into());
        body.insert(name.to_owned(), page.unwrap());
        answer.body = Some(body.into());
        answer
    }

    fn cut(&self, items: Vec<Value>) -> (Vec<Value>, String) {
        let number = |name| self.request.asks(name).and_then(|text| text.parse().ok());
        let per_page = number("per_page").unwrap_or(30).clamp(1, 100);
        let page: usize = number("page").unwrap_or(1).max(1);
        let last = items.len().div_ceil(per_page).max(1);
        let links: Vec<String> =
            [("prev", page - 1), ("next", page + 1), ("last", last), ("first", 1)]
                .into_iter()
                .filter(|(relation, to)| match *relation {
                    "prev" | "first" => page > 1,
                    _ => page < last && *to > 0,
                })
                .map(|(relation, to)| format!("<{}>; rel=\"{relation}\"", self.link(to)))
                .collect();
        let page = items.into_iter().skip((page - 1) * per_page).take(per_page).collect();
        (page, links.join(", "))
    }

    /// The same request for another page. Like GitHub, it names the repo by
    /// its id.
    fn link(&self, page: usize) -> String {
        let rest: Vec<&str> = self.request.segments[3..].iter().map(String::as_str).collect();
        let mut query: Vec<String> = Vec::new();
        for (name, value) in self.request.query.iter().filter(|(name, _)| name != "page") {
            query.push(format!("{name}={}", escaped(value)));
        }
        query.push(format!("page={page}"));
        let (base, id) = (&self.world.base, self.repo().id);
        format!("{base}/repositories/{id}/{}?{}", rest.join("/"), query.join("&"))
    }
}

fn escaped(text: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// For [`Call::sort`]: an instant, and what tells two of the same second apart.
pub(super) fn at(instant: clock::Instant, number: u64) -> (i64, u64) {
    (instant.timestamp(), number)
}
