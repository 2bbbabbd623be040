//! As little HTTP as it takes.
//!
//! Written here and not taken from a crate, because half of what this fake is
//! for is bad HTTP: answers that end early, connections that close in between.

use std::io::{self, BufRead, Write};

/// A request or an answer.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The request line or the status line.
    pub(super) first: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Message {
    pub(super) fn new(first: String, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        Self { first, headers, body }
    }

    /// The next message on a connection, unless it was closed.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let first = line(reader)?;
        if first.is_empty() {
            return Ok(None);
        }
        let mut message = Self::new(first, Vec::new(), Vec::new());
        loop {
            let line = line(reader)?;
            let Some((name, value)) = line.split_once(':') else { break };
            message.headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let length = message.header("content-length").map_or(Ok(0), str::parse);
        message.body = vec![0; length.map_err(io::Error::other)?];
        reader.read_exact(&mut message.body)?;
        Ok(Some(message))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Writes the head, and as much of the body as is wanted.
    pub(super) fn write(&self, to: &mut impl Write, body: usize) -> io::Result<()> {
        let mut head = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        // What has no content has no length either.
        if !self.first.starts_with("HTTP/1.1 204 ") {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        head += "\r\n";
        // In one piece: two small ones wait for each other's acknowledgement.
        let body = &self.body[..body.min(self.body.len())];
        to.write_all(&[head.as_bytes(), body].concat())
    }
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
