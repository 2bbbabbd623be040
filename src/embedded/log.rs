//! The server's log, which is also the proof that the server lives.
//!
//! The log is locked before the server starts, and the server inherits the lock
//! together with its standard error. The system drops it when the last process
//! of that server is gone, so nobody has to trust a pid: not one from before a
//! reboot, not one from another container, not one that a stranger has by now.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
};

use super::{Error, account::Account, home::Home};

const LINES: usize = 12;
const BYTES: u64 = 8 * 1024;

/// Whether any process of the server in `home` lives.
pub(super) fn is_alive(home: &Home) -> Result<bool, Error> {
    let path = home.log();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(false),
        Err(err) => return Err(Error::file("open", path)(err)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(err)) => Err(Error::file("lock", path)(err)),
    }
}

/// A new log for the server that `account` runs, locked. The one before is kept under another name.
pub(super) fn create(home: &Home, account: &Account) -> Result<File, Error> {
    let path = home.log();
    let create = || -> io::Result<File> {
        match fs::rename(&path, path.with_extension("log.1")) {
            Err(err) if err.kind() != ErrorKind::NotFound => return Err(err),
            _ => {}
        }
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        account.give_file(&file)?;
        // A look by `is_alive` may be in the way for a moment.
        file.lock()?;
        Ok(file)
    };
    create().map_err(Error::file("create", &path))
}

/// The end of the log, for an error message.
pub(super) fn tail(home: &Home) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(home.log())?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => last_lines(&String::from_utf8_lossy(&bytes)),
        Err(err) => format!("  (cannot read {}: {err})", home.log().display()),
    }
}

/// The last lines of `text`, indented.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    last.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_quoted() {
        let text: String = (1..=40).map(|n| format!("line {n}\n\n")).collect();
        let quoted = last_lines(&text);
        assert_eq!(quoted.lines().count(), LINES);
        assert!(quoted.ends_with("  line 40"), "{quoted}");
    }
}
