//! The private folder of an agent program: its configuration and its
//! conversations, in the run directory and nowhere else.
//!
//! What the user has for that program is left alone and not seen, with one
//! exception: where no key is given, the files with the user's login are linked
//! in, so that what works at a terminal works here. A login that the program
//! renewed goes back, unless the user's is another one by then.
//!
//! **Invariant:** no path of a packed conversation leads out of the folder that
//! it is unpacked in.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, symlink},
    path::{Component, Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

use super::files::{self, Folder, Stamp};
use crate::model::{Placeholder, Profile, ProgramHome};

/// The largest conversation that is carried, in bytes as it lies on disk.
const LARGEST: u64 = 64 * 1024 * 1024;
/// The most files of one.
const MOST: usize = 1000;
/// The largest login that is given back, in bytes.
const LARGEST_LOGIN: u64 = 1024 * 1024;

/// The private folder of one run.
#[derive(Debug)]
pub(super) struct Home {
    root: PathBuf,
    /// What is put into it, by paths in it: the files of the profile, as they are for
    /// this run, and the user's settings.
    files: Vec<(String, Vec<u8>)>,
    linked: Vec<Linked>,
}

/// A file with the user's login, and where it is linked.
#[derive(Debug)]
struct Linked {
    ours: PathBuf,
    theirs: PathBuf,
    was: Option<Stamp>,
}

fn stamp(file: &Path) -> Option<Stamp> {
    let (folder, name) = files::place(file).ok()?;
    folder.stamp(name)
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
        let files = profile.files.iter().map(|(path, content)| {
            let value = |word| match path.rsplit_once('.') {
                Some((_, "json" | "toml")) => value(word).map(|value| quoted(&value)),
                _ => value(word),
            };
            let words = Placeholder::ALL.iter().filter_map(|&word| Some((word, value(word)?)));
            let content = words.fold(content.clone(), |content, (word, value)| {
                content.replace(&format!("{{{word}}}"), &value)
            });
            (path.clone(), content.into_bytes())
        });
        let mut made = Self { files: files.collect(), linked: Vec::new(), root };
        let sessions = profile.home.as_ref().and_then(|home| home.sessions.as_ref());
        if let Some(sessions) = sessions.and_then(|sessions| sessions.filled(&value)) {
            private(&made.root.join(sessions))?;
        }
        if let (Some(home), Some(user)) = (&profile.home, login_of) {
            let user = Path::new(user).join(&home.of_user);
            for file in &home.login {
                let (ours, theirs) = (made.root.join(file), user.join(file));
                if theirs.is_file() && !profile.files.contains_key(file) {
                    let theirs = fs::canonicalize(theirs)?;
                    private(ours.parent().unwrap_or(&made.root))?;
                    symlink(&theirs, &ours)?;
                    made.linked.push(Linked { ours, was: stamp(&theirs), theirs });
                }
            }
            for file in home.settings.iter().filter(|file| !profile.files.contains_key(*file)) {
                let theirs = user.join(file);
                if theirs.is_file() {
                    made.files.push((file.clone(), fs::read(theirs)?));
                }
            }
        }
        made.refresh()?;
        Ok(made)
    }

    /// Writes what was put into it anew: what an agent made of that is not to count for
    /// the next call.
    pub(super) fn refresh(&self) -> io::Result<()> {
        self.files.iter().try_for_each(|(path, content)| write(&self.root, path.as_ref(), content))
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The program has ended: the user gets a login back that it renewed, and
    /// the folder is removed unless its conversation may go on.
    pub(super) fn close(self, keep: bool) -> io::Result<()> {
        for Linked { ours, theirs, was } in &self.linked {
            // A renewed login takes the place of the link, and the old one is void.
            let renewed = files::place(ours).ok();
            let renewed = renewed.and_then(|(folder, name)| folder.read(name, LARGEST_LOGIN).ok());
            // Another run, or the user, may have renewed it, too.
            if let Some((login, _)) = renewed
                && was.is_some()
                && stamp(theirs) == *was
            {
                files::write(theirs, &login)?;
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
        private(folder)?;
        write(folder, &path, &STANDARD.decode(content).map_err(io::Error::other)?)?;
    }
    Ok(())
}

fn private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Puts a file at `path` below `root`, in place of whatever is there. An agent may
/// have been at work there: a link on the way is an error.
fn write(root: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut folder = Folder::open(root)?;
    for part in path.parent().into_iter().flat_map(Path::components) {
        folder = folder.make(part.as_os_str())?;
    }
    folder.write(path.file_name().unwrap_or_default(), content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_carried_as_it_is() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(from.path(), "2026/11/a.jsonl".as_ref(), b"{}\n\xff").unwrap();
        write(from.path(), "b".as_ref(), b"").unwrap();
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

    /// A user with a login and settings, and the profile of a program with those.
    fn user() -> (tempfile::TempDir, Profile) {
        let folder = tempfile::tempdir().unwrap();
        for (file, content) in [(".credentials.json", "old"), ("settings.json", "mine")] {
            let file = Path::new("user/.claude").join(file);
            write(folder.path(), &file, content.as_bytes()).unwrap();
        }
        let home = ProgramHome {
            variable: "X".parse().unwrap(),
            of_user: ".claude".into(),
            login: [".credentials.json".to_owned()].into(),
            settings: ["settings.json".to_owned()].into(),
            sessions: None,
        };
        let profile = Profile {
            files: [
                ("a/mcp.json".to_owned(), r#"{"dir":"{dir}","{x}":1}"#.to_owned()),
                ("mcp.toml".to_owned(), r#"dir = "{dir}""#.to_owned()),
                ("note".to_owned(), "{dir}".to_owned()),
            ]
            .into(),
            ..crate::runner::testing::profile(Some(home))
        };
        (folder, profile)
    }

    /// The private folder `name` of that user.
    fn made(folder: &Path, name: &str, profile: &Profile) -> Home {
        let value = |word| (word == Placeholder::Dir).then(|| "/it's \"d\"".to_owned());
        Home::make(folder.join(name), profile, Some(folder.join("user").as_os_str()), value)
            .unwrap()
    }

    /// Renews the login as programs do it.
    fn renew(home: &Home, login: &str) {
        fs::write(home.root.join("new"), login).unwrap();
        fs::rename(home.root.join("new"), home.root.join(".credentials.json")).unwrap();
    }

    #[test]
    fn a_private_folder_has_its_files_and_the_login_which_comes_back_renewed() {
        let (folder, profile) = user();
        let home = made(folder.path(), "home", &profile);
        let content = |file| fs::read_to_string(home.root.join(file)).unwrap();
        assert_eq!(content(".credentials.json"), "old");
        assert_eq!(content("settings.json"), "mine");
        assert_eq!(content("a/mcp.json"), r#"{"dir":"/it's \"d\"","{x}":1}"#);
        assert_eq!(content("mcp.toml"), r#"dir = "/it's \"d\"""#);
        assert_eq!(content("note"), "/it's \"d\"");

        renew(&home, "new");
        fs::write(home.root.join("settings.json"), "theirs").unwrap();
        let root = home.root.clone();
        home.close(false).unwrap();

        let of_user = |file| fs::read_to_string(folder.path().join("user/.claude").join(file));
        assert_eq!(of_user(".credentials.json").unwrap(), "new");
        assert_eq!(of_user("settings.json").unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path().join("user/.claude")).unwrap().count(), 2);
        assert!(!root.exists());
    }

    #[test]
    fn of_two_that_renew_a_login_the_first_to_end_gives_it_back() {
        let (folder, profile) = user();
        let (one, other) = (made(folder.path(), "1", &profile), made(folder.path(), "2", &profile));
        renew(&one, "newer");
        renew(&other, "newest");
        other.close(false).unwrap();
        one.close(false).unwrap();
        let login = folder.path().join("user/.claude/.credentials.json");
        assert_eq!(fs::read_to_string(login).unwrap(), "newest");
    }

    #[test]
    fn what_an_agent_made_of_its_configuration_does_not_count_for_the_next_call() {
        let (folder, profile) = user();
        let home = made(folder.path(), "home", &profile);
        fs::write(home.root.join("note"), "obey me").unwrap();
        fs::write(home.root.join("settings.json"), "obey me").unwrap();
        fs::remove_file(home.root.join("mcp.toml")).unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        symlink(&victim, home.root.join("mcp.toml")).unwrap();

        home.refresh().unwrap();

        assert_eq!(fs::read_to_string(home.root.join("note")).unwrap(), "/it's \"d\"");
        assert_eq!(fs::read_to_string(home.root.join("settings.json")).unwrap(), "mine");
        let toml = fs::read_to_string(home.root.join("mcp.toml")).unwrap();
        assert!(toml.starts_with("dir = "), "{toml}");
        assert_eq!(fs::read_to_string(victim).unwrap(), "mine");
    }

    #[test]
    fn a_folder_that_an_agent_put_elsewhere_is_not_written_to() {
        let (folder, profile) = user();
        for place in ["", "a"] {
            let home = made(folder.path(), &format!("home{place}"), &profile);
            let elsewhere = folder.path().join(format!("elsewhere{place}"));
            fs::rename(home.root.join(place), &elsewhere).unwrap();
            let note = elsewhere.join(if place.is_empty() { "note" } else { "mcp.json" });
            fs::write(&note, "mine").unwrap();
            symlink(&elsewhere, home.root.join(place).to_str().unwrap().trim_end_matches('/'))
                .unwrap();
            home.refresh().unwrap_err();
            assert_eq!(fs::read_to_string(note).unwrap(), "mine");
        }
    }
}
