//! The private folder of an agent program: its configuration and its
//! conversations, in the run directory and nowhere else.
//!
//! What the user has for that program is left alone and not seen, with one
//! exception: where no key is given, the files with the user's login are linked
//! in, so that what works at a terminal works here.
//!
//! **Invariant:** no path of a packed conversation leads out of the folder that
//! it is unpacked in.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink},
    path::{Component, Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

use crate::model::{Placeholder, Profile, ProgramHome};

/// The largest conversation that is carried, in bytes as it lies on disk.
const LARGEST: u64 = 64 * 1024 * 1024;
/// The most files of one.
const MOST: usize = 1000;

/// The private folder of one run.
#[derive(Debug)]
pub(super) struct Home {
    root: PathBuf,
    /// Where the user's login is linked, and from where.
    linked: Vec<(PathBuf, PathBuf)>,
}

impl Home {
    /// Makes the folder with the files of `profile` in it, with a place for the
    /// conversations, and with the login of the user whose `HOME` is given.
    pub(super) fn make(
        root: PathBuf,
        profile: &Profile,
        login_of: Option<&OsStr>,
        value: impl Fn(Placeholder) -> Option<String>,
    ) -> io::Result<Self> {
        private(&root)?;
        for (path, content) in &profile.files {
            let value = |word| match path.rsplit_once('.') {
                Some((_, "json" | "toml")) => value(word).map(|value| quoted(&value)),
                _ => value(word),
            };
            let words = Placeholder::ALL.iter().filter_map(|&word| Some((word, value(word)?)));
            let content = words.fold(content.clone(), |content, (word, value)| {
                content.replace(&format!("{{{word}}}"), &value)
            });
            write(&root.join(path), content.as_bytes())?;
        }
        let sessions = profile.home.as_ref().and_then(|home| home.sessions.as_ref());
        if let Some(sessions) = sessions.and_then(|sessions| sessions.filled(&value)) {
            private(&root.join(sessions))?;
        }
        let mut linked = Vec::new();
        if let (Some(home), Some(user)) = (&profile.home, login_of) {
            let user = Path::new(user).join(&home.of_user);
            for file in &home.login {
                let (ours, theirs) = (root.join(file), user.join(file));
                if theirs.is_file() && !ours.exists() {
                    private(ours.parent().unwrap_or(&root))?;
                    symlink(&theirs, &ours)?;
                    linked.push((ours, theirs));
                }
            }
        }
        Ok(Self { root, linked })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The program has ended: the user gets a login back that it renewed, and
    /// the folder is removed unless its conversation may go on.
    pub(super) fn close(self, keep: bool) -> io::Result<()> {
        for (ours, theirs) in &self.linked {
            // A renewed login takes the place of the link, and the old one is void.
            if fs::symlink_metadata(ours).is_ok_and(|found| found.is_file()) {
                let draft = theirs.with_extension("wavemark");
                fs::copy(ours, &draft)?;
                fs::rename(draft, theirs)?;
            }
        }
        if keep { Ok(()) } else { fs::remove_dir_all(&self.root) }
    }
}

/// A text as it stands between the double quotes of JSON and of TOML, which
/// wants one character more escaped.
fn quoted(text: &str) -> String {
    let whole = serde_json::Value::from(text).to_string();
    whole[1..whole.len() - 1].replace('\u{7f}', "\\u007f")
}

/// Where a program keeps its conversations, seen from its folder, when it works
/// in `work`.
pub fn sessions(home: &ProgramHome, work: &Path) -> Option<String> {
    let sessions = home.sessions.as_ref()?;
    sessions.filled(|word| (word == Placeholder::WorkSlug).then(|| slug(work)))
}

/// A path as one word.
pub(super) fn slug(path: &Path) -> String {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let hyphened = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    path.to_string_lossy().chars().map(hyphened).collect()
}

/// The files below `folder` as one piece; none if there are none, or more than
/// is carried. Links are left out.
///
/// # Errors
///
/// If one of them cannot be read.
pub fn pack(folder: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut size = 0;
    let mut left = vec![folder.to_owned()];
    while let Some(folder_or_file) = left.pop() {
        let found = match fs::symlink_metadata(&folder_or_file) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
            found => found?,
        };
        if found.is_dir() {
            for entry in fs::read_dir(&folder_or_file)? {
                left.push(entry?.path());
            }
        } else if found.is_file() {
            size += found.len();
            if size > LARGEST || files.len() == MOST {
                return Ok(None);
            }
            let path = folder_or_file.strip_prefix(folder).map_err(io::Error::other)?;
            if let Some(path) = path.to_str() {
                files.insert(path.to_owned(), STANDARD.encode(fs::read(&folder_or_file)?));
            }
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&serde_json::to_vec(&files)?)?;
    packed.finish().map(Some)
}

/// Puts packed files below `folder`.
pub(super) fn unpack(packed: &[u8], folder: &Path) -> io::Result<()> {
    // Base64 takes a third more.
    let mut json = Vec::new();
    ZlibDecoder::new(packed).take(2 * LARGEST).read_to_end(&mut json)?;
    let files: BTreeMap<PathBuf, String> = serde_json::from_slice(&json)?;
    for (path, content) in files {
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other("a path of the conversation leads elsewhere"));
        }
        write(&folder.join(path), &STANDARD.decode(content).map_err(io::Error::other)?)?;
    }
    Ok(())
}

fn private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    private(path.parent().unwrap_or(path))?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_carried_as_it_is() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(&from.path().join("2026/11/a.jsonl"), b"{}\n\xff").unwrap();
        write(&from.path().join("b"), b"").unwrap();
        symlink("/etc/passwd", from.path().join("c")).unwrap();

        let packed = pack(from.path()).unwrap().unwrap();
        unpack(&packed, to.path()).unwrap();

        assert_eq!(fs::read(to.path().join("2026/11/a.jsonl")).unwrap(), b"{}\n\xff");
        assert_eq!(fs::read(to.path().join("b")).unwrap(), b"");
        assert!(!to.path().join("c").exists());
        assert_eq!(pack(&from.path().join("none")).unwrap(), None);
    }

    #[test]
    fn what_is_unpacked_stays_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["../out", "/tmp/out", "a/../../out"] {
            let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
            packed.write_all(format!(r#"{{"{path}":""}}"#).as_bytes()).unwrap();
            let inner = folder.path().join("inner");
            assert!(unpack(&packed.finish().unwrap(), &inner).is_err(), "{path}");
        }
        assert!(unpack(b"garbage", folder.path()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_stands_between_quotes_is_escaped_for_json_and_for_toml() {
        assert_eq!(quoted("/it's \"a\" \\ ü"), r#"/it's \"a\" \\ ü"#);
        assert_eq!(quoted("\n\u{1}\u{7f}"), r"\n\u0001\u007f");
    }

    #[test]
    fn a_private_folder_has_its_files_and_the_login_which_comes_back_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let user = folder.path().join("user");
        let login = user.join(".claude/.credentials.json");
        write(&login, b"old").unwrap();
        let home = |name: &str| ProgramHome {
            variable: "X".parse().unwrap(),
            of_user: name.into(),
            login: [".credentials.json".to_owned()].into(),
            sessions: None,
        };
        let profile = Profile {
            files: [
                ("a/mcp.json".to_owned(), r#"{"dir":"{dir}","{x}":1}"#.to_owned()),
                ("mcp.toml".to_owned(), r#"dir = "{dir}""#.to_owned()),
                ("note".to_owned(), "{dir}".to_owned()),
            ]
            .into(),
            ..crate::runner::testing::profile(Some(home(".claude")))
        };
        let root = folder.path().join("run/home");
        let value = |word| (word == Placeholder::Dir).then(|| "/it's \"d\"".to_owned());
        let made = Home::make(root.clone(), &profile, Some(user.as_os_str()), value).unwrap();
        assert_eq!(fs::read(root.join(".credentials.json")).unwrap(), b"old");
        let content = |file| fs::read_to_string(root.join(file)).unwrap();
        assert_eq!(content("a/mcp.json"), r#"{"dir":"/it's \"d\"","{x}":1}"#);
        assert_eq!(content("mcp.toml"), r#"dir = "/it's \"d\"""#);
        assert_eq!(content("note"), "/it's \"d\"");

        // As programs do it.
        fs::write(root.join("new"), "new").unwrap();
        fs::rename(root.join("new"), root.join(".credentials.json")).unwrap();
        made.close(false).unwrap();

        assert_eq!(fs::read(&login).unwrap(), b"new");
        assert!(!root.exists());
    }
}
