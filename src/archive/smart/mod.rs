//! Git's smart protocol over HTTP, as far as one branch takes: where is it, give
//! me what I lack, move it there.
//!
//! libgit2 could speak it too, and did so here. What spoke against it:
//!
//! - For `https` it wants OpenSSL. As a part of our build that takes minutes,
//!   and a whole Perl and `make`, which a machine with Rust on it need not have
//!   (the slim Rust images and many CI images have not); as a part of the system
//!   it ties the binary to one version of it. rustls is in the binary already.
//! - A transport of our own cannot be registered with it without `unsafe`.
//! - It hides the status and the words of a refusal: a wrong token, a missing
//!   permission and an archived repository looked the same. It also asks for
//!   credentials for ever, and reports a refused push as a success.
//!
//! What is left of the protocol is little, because both ends are known: packs
//! are made and read by libgit2, and a push says from where the branch is to be
//! moved, so that the server compares and sets.
//!
//! It is version 0 of the protocol, which every server speaks. Proxies are those
//! of the environment (`HTTPS_PROXY`, `NO_PROXY`).

mod http;
mod packet;

use std::io::Write as _;

use git2::{Indexer, Oid, Repository};

use super::{Error, Refusal, Remote};
use http::{Answer, Http, Service};
use packet::{FLUSH, Garbled, Packet, Packets};

const AGENT: &str = concat!("agent=wavemark/", env!("CARGO_PKG_VERSION"));

/// As much of what a server says as is kept.
const LONGEST: usize = 8_192;

/// A conversation with a git server about one branch.
pub(super) struct Session<'a> {
    http: Http<'a>,
    refname: &'a str,
}

/// A branch that is to be moved.
pub(super) struct Update {
    /// From here; none if it is to be made.
    pub(super) old: Option<Oid>,
    /// To here.
    pub(super) new: Oid,
    /// Everything that the server lacks.
    pub(super) pack: Vec<u8>,
}

/// How a server answered.
pub(super) enum Pushed {
    /// It moved the branch.
    Yes,
    /// The branch is not where it was to be moved from.
    Moved,
    /// It does not want to.
    Refused(Refusal),
}

/// What a server says it has, and can do.
struct Advert {
    head: Option<Oid>,
    capabilities: Vec<String>,
}

impl<'a> Session<'a> {
    pub(super) fn open(remote: &'a Remote, refname: &'a str) -> Result<Self, Error> {
        Ok(Self { http: Http::open(remote)?, refname })
    }

    /// Where the branch is.
    pub(super) fn head(&mut self) -> Result<Option<Oid>, Error> {
        Ok(self.look(Service::UploadPack)?.head)
    }

    /// Brings the commit `want` and all it points at into `repo`, which has
    /// everything that `have` points at.
    pub(super) fn fetch(
        &mut self,
        repo: &Repository,
        want: Oid,
        have: Option<Oid>,
    ) -> Result<(), Error> {
        let mut body = Vec::new();
        let can = "side-band-64k ofs-delta no-progress";
        packet::put(&mut body, &format!("want {want} {can} {AGENT}\n"));
        body.extend_from_slice(FLUSH);
        if let Some(have) = have {
            packet::put(&mut body, &format!("have {have}\n"));
        }
        packet::put(&mut body, "done\n");

        let odb = repo.odb()?;
        let folder = repo.commondir().join("objects/pack");
        let mut pack = Indexer::new(Some(&odb), &folder, 0, false)?;
        let mut answer = self.http.call(Service::UploadPack, body)?;
        each_packet(&mut answer, |data| {
            match data.split_first() {
                Some((1, bytes)) => pack.write_all(bytes).map_err(of_pack)?,
                Some((3, words)) => return Ok(Some(String::from_utf8_lossy(words).into_owned())),
                // `ACK`, `NAK`, and what it is busy with.
                _ => (),
            }
            Ok(None)
        })?;
        pack.commit()?;
        odb.refresh()?;
        Ok(())
    }

    /// Asks as one who is about to push: a server lets in only whom it would let
    /// push.
    pub(super) fn may_push(&mut self) -> Result<(), Error> {
        self.look(Service::ReceivePack).map(drop)
    }

    /// Asks to move the branch.
    ///
    /// # Errors
    ///
    /// When no answer came: the branch may have been moved all the same.
    pub(super) fn push(&mut self, update: &Update) -> Result<Pushed, Error> {
        let Update { old, new, pack } = update;
        let advert = self.look(Service::ReceivePack)?;
        if advert.head != *old {
            return Ok(Pushed::Moved);
        }
        let old = old.unwrap_or(Oid::ZERO_SHA1);
        // Quiet, because how far it is would drown what it says.
        let wanted = ["report-status", "side-band-64k", "quiet"];
        let can = wanted.map(|can| advert.capabilities.iter().any(|it| it == can));
        let mut body = Vec::with_capacity(pack.len() + 500);
        let caps: Vec<&str> =
            wanted.iter().zip(can).filter_map(|(cap, can)| can.then_some(*cap)).collect();
        let caps = caps.join(" ");
        packet::put(&mut body, &format!("{old} {new} {}\0 {caps} {AGENT}\n", self.refname));
        body.extend_from_slice(FLUSH);
        body.extend_from_slice(pack);

        let mut report = Report::default();
        let mut answer = self.http.call(Service::ReceivePack, body)?;
        each_packet(&mut answer, |data| match can {
            [_, true, _] => report.hear(data),
            [_, false, _] => report.read(data).map(|()| None),
        })?;
        match report.verdict(self.refname) {
            Some(None) => Ok(Pushed::Yes),
            Some(Some(what)) if is_passing(&what) => Ok(Pushed::Moved),
            Some(Some(what)) => Ok(Pushed::Refused(Refusal::new(&what, &report.said))),
            None => Err(answer.trouble("it did not say what became of the push")),
        }
    }

    fn look(&mut self, service: Service) -> Result<Advert, Error> {
        let refname = self.refname;
        let mut answer = self.http.refs(service)?;
        let mut advert = Advert { head: None, capabilities: Vec::new() };
        let mut heading = true;
        let mut packets = Packets::default();
        loop {
            while let Some(packet) = packets.next().map_err(|err| garbled(&answer, err))? {
                let Packet::Data(data) = packet else {
                    if heading {
                        heading = false;
                        continue;
                    }
                    return Ok(advert);
                };
                let line = String::from_utf8_lossy(&data);
                if let Some(words) = line.strip_prefix("ERR ") {
                    return Err(answer.trouble(&format!("it says: {}", words.trim())));
                }
                advert.take(line.trim_end(), refname);
            }
            match answer.read()? {
                Some(piece) => packets.feed(&piece),
                None => return Err(answer.trouble("it broke off")),
            }
        }
    }
}

impl Advert {
    /// A line is an id, a name and, the first time, what the server can do.
    fn take(&mut self, line: &str, refname: &str) {
        let (line, capabilities) = line.split_once('\0').unwrap_or((line, ""));
        self.capabilities.extend(capabilities.split_whitespace().map(str::to_owned));
        if let Some((id, name)) = line.split_once(' ')
            && name == refname
        {
            self.head = Oid::from_str(id).ok();
        }
    }
}

/// What a server says about a push.
#[derive(Default)]
struct Report {
    lines: Packets,
    unpacked: Option<String>,
    /// The name of each branch, and why it was not moved.
    refs: Vec<(String, Option<String>)>,
    said: Vec<u8>,
}

impl Report {
    /// A packet of a side band: the report, words for people, or the end.
    fn hear(&mut self, data: &[u8]) -> Result<Option<String>, Error> {
        match data.split_first() {
            Some((1, bytes)) => {
                self.lines.feed(bytes);
                while let Ok(Some(packet)) = self.lines.next() {
                    if let Packet::Data(line) = packet {
                        self.read(&line)?;
                    }
                }
            }
            Some((2, words)) => {
                let room = LONGEST.saturating_sub(self.said.len()).min(words.len());
                self.said.extend_from_slice(&words[..room]);
            }
            Some((3, words)) => return Ok(Some(String::from_utf8_lossy(words).into_owned())),
            _ => (),
        }
        Ok(None)
    }

    /// A line of the report.
    fn read(&mut self, line: &[u8]) -> Result<(), Error> {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if let Some(how) = line.strip_prefix("unpack ") {
            self.unpacked = Some(how.to_owned());
        } else if let Some(name) = line.strip_prefix("ok ") {
            self.refs.push((name.to_owned(), None));
        } else if let Some((name, why)) = line.strip_prefix("ng ").and_then(|it| it.split_once(' '))
        {
            self.refs.push((name.to_owned(), Some(why.to_owned())));
        }
        Ok(())
    }

    /// Why the branch was not moved, if it was not; `None` if nothing is known.
    fn verdict(&self, refname: &str) -> Option<Option<String>> {
        match (self.refs.iter().find(|(name, _)| name == refname), self.unpacked.as_deref()) {
            (_, Some(how)) if how != "ok" => Some(Some(format!("it could not unpack it: {how}"))),
            (Some((_, why)), _) => Some(why.clone()),
            (None, _) => None,
        }
    }
}

/// Hands over each packet up to the flush; a text that comes back is an error
/// in the server's words.
fn each_packet(
    answer: &mut Answer<'_>,
    mut take: impl FnMut(&[u8]) -> Result<Option<String>, Error>,
) -> Result<(), Error> {
    let mut packets = Packets::default();
    loop {
        while let Some(packet) = packets.next().map_err(|err| garbled(answer, err))? {
            match packet {
                Packet::Flush => return Ok(()),
                Packet::Data(data) => {
                    if let Some(words) = take(&data)? {
                        return Err(answer.trouble(&format!("it says: {}", words.trim())));
                    }
                }
            }
        }
        match answer.read()? {
            Some(piece) => packets.feed(&piece),
            None => return Err(answer.trouble("it broke off")),
        }
    }
}

/// Whether a refusal is about another push at the same time, as git words it.
fn is_passing(what: &str) -> bool {
    let words =
        ["failed to update ref", "cannot lock ref", "already exists", "incorrect old value"];
    words.into_iter().any(|words| what.contains(words))
}

fn garbled(answer: &Answer<'_>, err: Garbled) -> Error {
    answer.trouble(&err.to_string())
}

/// The error of libgit2's that came through [`std::io::Write`].
fn of_pack(err: std::io::Error) -> Error {
    super::objects::unwrapped(err).into()
}
