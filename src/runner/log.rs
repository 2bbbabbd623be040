//! What an agent prints, on its way to a file: cleaned, redacted, bounded.
//!
//! **Invariant:** what reaches the disk depends on the bytes printed and not on
//! the pieces they arrive in, and no secret is in it. So nothing is written
//! before the end of its line is known, or before so much follows that no
//! secret can stand across.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::PathBuf,
    sync::Arc,
};

use super::{
    clean::Cleaner,
    dir::RunDir,
    files,
    key_block::KeyBlock,
    redact::{HIDDEN, Redactor},
};

/// Longer lines are broken: one line of an agent's event stream can hold a
/// whole file.
const LINE: usize = 16 * 1024;

/// How much is kept in memory for people, in bytes.
const TAIL: usize = 16 * 1024;

/// The log of one run.
pub(super) struct Log {
    redactor: Arc<Redactor>,
    cleaner: Cleaner,
    key: KeyBlock,
    /// What was printed since the last line break and is not yet written.
    pending: Vec<u8>,
    /// Lines to be written.
    ready: String,
    tail: String,
    disk: Disk,
}

impl Log {
    /// An empty log in `dir`. The file appears with the first line.
    pub(super) fn new(dir: &RunDir, redactor: Arc<Redactor>, max_bytes: u64) -> Self {
        Self {
            redactor,
            cleaner: Cleaner::default(),
            key: KeyBlock::default(),
            pending: Vec::new(),
            ready: String::new(),
            tail: String::new(),
            disk: Disk { files: dir.logs(), max_bytes, file: None, written: 0 },
        }
    }

    /// The same for the events of an agent program.
    pub(super) fn of_events(dir: &RunDir, redactor: Arc<Redactor>, max_bytes: u64) -> Self {
        let mut log = Self::new(dir, redactor, max_bytes);
        log.disk.files = dir.events();
        log
    }

    /// Takes what was printed.
    ///
    /// # Errors
    ///
    /// If the file cannot be written. What was taken is in the
    /// [`tail`](Self::tail) all the same, and the next piece is tried again.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let clean = self.cleaner.clean(bytes);
        for piece in clean.split_inclusive(|&byte| byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    self.add(end);
                    self.end_line();
                }
                None => self.add(piece),
            }
        }
        self.write()
    }

    /// Takes the last line, which may have no end.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.end_line();
        }
        self.write()
    }

    /// Adds a line of ours. Should it not be written, it is in the tail.
    pub(super) fn say(&mut self, line: &str) {
        drop(self.finish().and_then(|()| self.push(format!("wavemark: {line}\n").as_bytes())));
    }

    /// The last lines: at most 16 KiB.
    pub(super) fn tail(&self) -> &str {
        &self.tail[after(&self.tail, TAIL)..]
    }

    /// The last line.
    pub(super) fn last_line(&self) -> &str {
        self.tail.lines().next_back().unwrap_or_default()
    }

    /// Adds to the line that is being printed. Where a long one is broken
    /// depends on its bytes alone.
    fn add(&mut self, mut piece: &[u8]) {
        let too_long = 4 * LINE + self.redactor.window();
        while !piece.is_empty() {
            let fits = piece.len().min(too_long - self.pending.len());
            self.pending.extend_from_slice(&piece[..fits]);
            piece = &piece[fits..];
            if self.pending.len() == too_long {
                self.break_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.pending);
        let spans = self.redactor.find(&line);
        self.add_line(&line, &spans);
    }

    /// Lets go of the start of a line that has no end, but not of what may be
    /// the start of a secret.
    fn break_line(&mut self) {
        let spans = self.redactor.find(&self.pending);
        let mut at = self.pending.len() - self.redactor.window();
        if let Some(across) = spans.iter().find(|span| span.contains(&at)) {
            // A match from the very start is longer than any secret.
            at = if across.start > 0 { across.start } else { across.end };
        }
        let rest = self.pending.split_off(at);
        let line = std::mem::replace(&mut self.pending, rest);
        let spans: Vec<_> = spans.into_iter().filter(|span| span.end <= at).collect();
        self.add_line(&line, &spans);
    }

    fn add_line(&mut self, line: &[u8], spans: &[std::ops::Range<usize>]) {
        let from = self.ready.len();
        if self.key.hides(line) {
            self.ready += HIDDEN;
        } else {
            let text = Redactor::without(line, spans);
            let mut rest: &str = &String::from_utf8_lossy(&text);
            while rest.len() > LINE {
                let (piece, more) = rest.split_at(rest.floor_char_boundary(LINE));
                self.ready += piece;
                self.ready += "\n";
                rest = more;
            }
            self.ready += rest;
        }
        self.ready += "\n";

        self.tail += &self.ready[from..];
        if self.tail.len() > 4 * TAIL {
            let surplus = after(&self.tail, TAIL);
            self.tail.drain(..surplus);
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let ready = std::mem::take(&mut self.ready);
        if ready.is_empty() { Ok(()) } else { self.disk.append(&ready) }
    }
}

/// Where the last `bytes` of `text` start.
fn after(text: &str, bytes: usize) -> usize {
    text.ceil_char_boundary(text.len().saturating_sub(bytes))
}

/// Two files, each with half of what is allowed; of two full ones the older is
/// dropped.
struct Disk {
    /// The older one, and the newest.
    files: [PathBuf; 2],
    max_bytes: u64,
    file: Option<BufWriter<File>>,
    written: u64,
}

impl Disk {
    fn append(&mut self, text: &str) -> io::Result<()> {
        for line in text.split_inclusive('\n') {
            let size = line.len() as u64;
            if self.written > 0 && self.written + size > self.max_bytes / 2 {
                self.rotate()?;
            }
            self.file()?.write_all(line.as_bytes())?;
            self.written += size;
        }
        self.file()?.flush()
    }

    fn file(&mut self) -> io::Result<&mut BufWriter<File>> {
        let [_, newest] = &self.files;
        match &mut self.file {
            Some(file) => Ok(file),
            none => {
                if let Some(folder) = newest.parent() {
                    fs::create_dir_all(folder)?;
                }
                let (folder, name) = files::place(newest)?;
                let file = folder.append(name)?;
                Ok(none.insert(BufWriter::new(file)))
            }
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file()?.flush()?;
        self.file = None;
        self.written = 0;
        let [older, newest] = &self.files;
        let (folder, newest) = files::place(newest)?;
        folder.rename(newest, older.file_name().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;

    struct Fixture {
        folder: tempfile::TempDir,
        log: Log,
    }

    fn fixture(secrets: &[&str], max_bytes: u64) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let secrets: Vec<SecretString> = secrets.iter().map(|&s| s.into()).collect();
        let redactor = Redactor::new(secrets.iter().map(|value| ("TOKEN".to_owned(), value)));
        let log = Log::new(&RunDir::at(folder.path()), redactor.into(), max_bytes);
        Fixture { folder, log }
    }

    impl Fixture {
        /// Everything on disk after these pieces were printed.
        fn disk_after(mut self, pieces: &[&[u8]]) -> String {
            for piece in pieces {
                self.log.push(piece).unwrap();
            }
            self.log.finish().unwrap();
            let logs = RunDir::at(self.folder.path()).logs();
            logs.iter().map(|log| fs::read_to_string(log).unwrap_or_default()).collect()
        }
    }

    const PLENTY: u64 = 1 << 30;

    #[test]
    fn lines_arrive_clean_and_whole() {
        let text = fixture(&[], PLENTY).disk_after(&[b"one\ntw", b"o\n\x1b[1mthr", b"ee\xff\0"]);
        assert_eq!(text, "one\ntwo\nthree\u{fffd}\n");
    }

    #[test]
    fn long_lines_are_broken_and_nothing_is_lost() {
        let long = "ä".repeat(200_000);
        let text = fixture(&[], PLENTY).disk_after(&[long.as_bytes(), b"\nend\n"]);
        assert!(text.lines().all(|line| line.len() <= LINE));
        assert_eq!(text.replace('\n', ""), long + "end");
    }

    #[test]
    fn a_secret_across_a_long_line_is_hidden() {
        let at = 4 * LINE;
        for shift in 0..16 {
            let line = format!("{}hunter22{}", "x".repeat(at - shift), "y".repeat(at));
            let text = fixture(&["hunter22"], PLENTY).disk_after(&[line.as_bytes()]);
            let joined = text.replace('\n', "");
            assert!(!joined.contains("hunter22") && joined.contains("***"), "shift {shift}");
        }
    }

    #[test]
    fn the_newest_part_is_kept() {
        let lines: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let text = fixture(&[], 2000).disk_after(&[lines.as_bytes()]);
        assert!(text.len() <= 2000, "{}", text.len());
        assert!(text.len() > 1000, "{}", text.len());
        assert!(lines.ends_with(&text), "{text}");
    }

    #[test]
    fn the_tail_is_short_and_whole() {
        let mut fixture = fixture(&[], PLENTY);
        for n in 0..100_000 {
            fixture.log.push(format!("line {n}\n").as_bytes()).unwrap();
        }
        assert_eq!(fixture.log.tail().len(), TAIL);
        assert_eq!(fixture.log.last_line(), "line 99999");
    }

    #[test]
    fn a_disk_that_is_gone_is_an_error_and_loses_no_tail() {
        let mut fixture = fixture(&[], PLENTY);
        fs::write(fixture.folder.path().join("log"), "in the way").unwrap();
        assert!(fixture.log.push(b"hello\n").is_err());
        assert_eq!(fixture.log.tail(), "hello\n");
    }

    /// Text with secrets in it, whole and broken, in colour and in the middle
    /// of long lines.
    fn output() -> impl Strategy<Value = Vec<u8>> {
        let key = format!("-----BEGIN {}-----\nMIIEsecret\n-----END X-----\n", "PRIVATE KEY");
        let part = prop_oneof![
            Just("p\"ss/wort".to_owned()),
            Just("p%22ss%2Fwort".to_owned()),
            Just("cCJzcy93b3J0".to_owned()),
            Just("p\x1b[31m\"ss/\0wort".to_owned()),
            Just("p\"ss/p\"ss/wort".to_owned()),
            Just(format!("ghp_{}", "Ab3d".repeat(9))),
            Just(key),
            Just("\r\n".to_owned()),
            Just("\n".to_owned()),
            "[a-z \u{1b}\u{fc}]{0,12}",
            (1usize..40_000).prop_map(|n| "z".repeat(n)),
        ];
        proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat().into_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn no_split_leaks_and_none_changes_what_is_written(
            output in output(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(output.len() + 1)).collect();
            cuts.extend([0, output.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &output[ends[0]..ends[1]]).collect();

            let secret = ["p\"ss/wort"];
            let written = fixture(&secret, PLENTY).disk_after(&pieces);
            prop_assert_eq!(&written, &fixture(&secret, PLENTY).disk_after(&[&output]));

            // Lines that were too long are joined again: no break may hide a leak.
            let joined = written.replace('\n', "");
            for leak in ["p\"ss/wort", "p%22ss%2Fwort", "cCJzcy93b3J0", "ghp_Ab3dAb3d", "MIIE"] {
                prop_assert!(!joined.contains(leak), "{leak} in {written}");
            }
        }
    }
}
