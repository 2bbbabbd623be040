//! Columns that line up and fit the page.

use super::page::{Align, DIM, Page, Span};

/// The space between two columns.
const GAP: usize = 2;

/// A column of a [`Table`].
#[derive(Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    align: Align,
    room: Room,
}

/// What happens to a column when space is short.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    /// It is cut, but not below this width.
    AtLeast(usize),
    /// It stays as it is.
    AllOfIt,
    /// It stays as it is, or is left out.
    AllOrNothing,
}

impl Column {
    /// Words that may be cut down to `least` columns when space is short.
    pub(super) const fn words(title: &'static str, least: usize) -> Self {
        Self { title, align: Align::Left, room: Room::AtLeast(least) }
    }

    /// What is short anyway and never cut.
    pub(super) const fn whole(title: &'static str, align: Align) -> Self {
        Self { title, align, room: Room::AllOfIt }
    }

    /// What is never cut, but left out when space is short.
    pub(super) const fn spare(title: &'static str, align: Align) -> Self {
        Self { title, align, room: Room::AllOrNothing }
    }

    /// The width below which it is not cut.
    fn least(&self, width: usize) -> usize {
        match self.room {
            Room::AtLeast(least) => least.min(width),
            Room::AllOfIt | Room::AllOrNothing => width,
        }
    }
}

enum Row {
    Heading(Vec<Span>),
    Cells(Vec<Span>),
}

/// Rows under shared columns, with headings between them.
///
/// A column in which no row has anything is left out. When the rest is too wide,
/// spare columns go, the last one first, until the others can do with what is
/// left; then the widest give way to the narrower ones.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a line that is not part of the columns.
    pub(super) fn heading(&mut self, spans: impl Into<Vec<Span>>) {
        self.rows.push(Row::Heading(spans.into()));
    }

    /// Adds a row: one cell for each column, in their order.
    pub(super) fn row(&mut self, cells: impl Into<Vec<Span>>) {
        self.rows.push(Row::Cells(cells.into()));
    }

    /// Puts the table on the page, its titles first.
    pub(super) fn print(&self, page: &mut Page) {
        let indented = self.rows.iter().any(|row| matches!(row, Row::Heading(_)));
        let indent = if indented { GAP } else { 0 };
        let widths = self.widths(page.width().saturating_sub(indent));
        let print = |page: &mut Page, cells: &[Span]| {
            let columns = self.columns.iter().zip(cells).zip(&widths);
            let mut line = vec![Span::from(" ".repeat(indent))];
            for ((column, cell), &width) in columns.filter(|(_, width)| **width > 0) {
                line.push(cell.fit(width, column.align));
                line.push(" ".repeat(GAP).into());
            }
            page.line(line);
        };

        let titles: Vec<Span> =
            self.columns.iter().map(|column| Span::new(DIM, column.title)).collect();
        print(page, &titles);
        for row in &self.rows {
            match row {
                Row::Heading(spans) => page.line(spans.clone()),
                Row::Cells(cells) => print(page, cells),
            }
        }
    }

    /// The width of each column, 0 for those left out; together they fill at most
    /// `space`, unless not even the least widths fit.
    fn widths(&self, space: usize) -> Vec<usize> {
        let mut widths: Vec<usize> =
            (0..self.columns.len()).map(|at| self.natural_width(at)).collect();
        let leasts = |widths: &[usize]| -> Vec<usize> {
            let both = self.columns.iter().zip(widths);
            both.map(|(column, &width)| column.least(width)).collect()
        };
        while total(&leasts(&widths)) > space {
            let spare = (0..widths.len())
                .rev()
                .find(|&at| widths[at] > 0 && self.columns[at].room == Room::AllOrNothing);
            match spare {
                Some(at) => widths[at] = 0,
                None => break,
            }
        }
        let leasts = leasts(&widths);
        while total(&widths) > space {
            let widest = (0..widths.len())
                .filter(|&at| widths[at] > leasts[at])
                .max_by_key(|&at| widths[at]);
            match widest {
                Some(at) => widths[at] -= 1,
                None => break,
            }
        }
        widths
    }

    fn natural_width(&self, at: usize) -> usize {
        let widest = self
            .rows
            .iter()
            .filter_map(|row| match row {
                Row::Cells(cells) => cells.get(at).map(Span::width),
                Row::Heading(_) => None,
            })
            .max()
            .unwrap_or(0);
        match widest {
            0 => 0,
            widest => widest.max(Span::from(self.columns[at].title).width()),
        }
    }
}

/// What columns of these widths take, with the gaps between those that are shown.
fn total(widths: &[usize]) -> usize {
    let shown = widths.iter().filter(|&&width| width > 0).count();
    widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(width: usize) -> String {
        let mut table = Table::new([
            Column::words("name", 4),
            Column::spare("size", Align::Right),
            Column::whole("never", Align::Left),
            Column::words("note", 6),
        ]);
        table.row(["vision", "4 KiB", "", "waits for somebody"].map(Span::from));
        table.row(["日本語", "12 B", "", ""].map(Span::from));
        let mut page = Page::new(width);
        table.print(&mut page);
        anstream::adapter::strip_str(&page.into_text()).to_string()
    }

    #[test]
    fn columns_line_up_whatever_the_alphabet() {
        insta::assert_snapshot!(table(40), @"
        name     size  note
        vision  4 KiB  waits for somebody
        日本語   12 B
        ");
    }

    #[test]
    fn the_widest_give_way_and_the_spare_are_left_out() {
        insta::assert_snapshot!(table(26), @"
        name     size  note
        vision  4 KiB  waits for …
        日本語   12 B
        ");
        insta::assert_snapshot!(table(22), @"
        name     size  note
        vision  4 KiB  waits …
        日本語   12 B
        ");
        insta::assert_snapshot!(table(17), @"
        name    note
        vision  waits fo…
        日本語
        ");
    }
}
