//! Figures in columns.

use std::time::Duration;

/// A row: what, the figure, its floor, how they compare, and the aim.
type Row = [String; 5];

/// Figures of one benchmark.
pub(crate) struct Table {
    title: String,
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        let head = ["", "wavemark", "floor", "ratio", "aim"].map(str::to_owned);
        Self { title: title.into(), rows: vec![head] }
    }

    /// A duration beside its floor.
    pub(crate) fn time(&mut self, what: &str, time: Duration, floor: Duration, aim: &str) {
        let ratio = time.as_secs_f64() / floor.as_secs_f64();
        self.row(what, show(time), show(floor), format!("{ratio:.2}"), aim);
    }

    /// A figure that stands alone.
    pub(crate) fn figure(&mut self, what: &str, figure: impl ToString, aim: &str) {
        self.row(what, figure.to_string(), String::new(), String::new(), aim);
    }

    /// A figure beside that of the floor.
    pub(crate) fn both(&mut self, what: &str, figure: f64, floor: f64, aim: &str) {
        self.row(what, format!("{figure:.2}"), format!("{floor:.2}"), String::new(), aim);
    }

    fn row(&mut self, what: &str, figure: String, floor: String, ratio: String, aim: &str) {
        self.rows.push([what.to_owned(), figure, floor, ratio, aim.to_owned()]);
    }

    pub(crate) fn print(&self) {
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let [what, figure, floor, ratio] = [width(0), width(1), width(2), width(3)];
        println!("\n{}", self.title);
        for [a, b, c, d, e] in &self.rows {
            let line = format!("  {a:what$}  {b:>figure$}  {c:>floor$}  {d:>ratio$}  {e}");
            println!("{}", line.trim_end());
        }
    }
}

/// A duration as people read it.
pub(crate) fn show(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}

/// Kilobytes as megabytes.
pub(crate) fn megabytes(kilobytes: u64) -> String {
    format!("{:.1} MB", kilobytes as f64 / 1024.0)
}
