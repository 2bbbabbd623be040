//! The token is in no error, no `Debug` and no log, whatever the server does.

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tracing::instrument::WithSubscriber as _;

use crate::github::{
    Error, Github,
    testing::{Act, Server, TOKEN, message, with},
};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error in every way in which somebody might print it.
fn printed(err: Error) -> String {
    let mut text = format!("{err:?} {err:#?}");
    let err = anyhow::Error::from(err);
    text += &format!(" {err:?} {err:#}");
    text
}

#[tokio::test]
async fn a_token_shows_nowhere_also_when_the_server_says_it_back() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let subscriber = tracing::Dispatch::new(subscriber);
    // While there is only one subscriber, tracing takes the word of whichever
    // thread comes first by for what it wants; of two it asks both.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let work = async {
        let mut shown = String::new();
        let echo = format!("you sent Bearer {TOKEN}");
        let acts = [
            message(401, &echo),
            with(403, &format!("x-accepted-github-permissions: {TOKEN}"), json!({"message": echo})),
            message(404, &echo),
            message(422, &echo),
            message(451, &echo),
            message(502, &echo),
            with(307, &format!("location: https://evil.example/{TOKEN}"), json!({})),
            with(200, &format!("link: <https://evil.example/{TOKEN}>; rel=next"), json!([])),
            Act::Answer(200, String::new(), format!("\"{TOKEN}\"")),
            Act::Answer(200, String::new(), format!("[{{\"number\": \"{TOKEN}\"}}]")),
            Act::HangUp,
            Act::Raw(b"HTTP/1.1 x\r\n\r\n"),
        ];
        for act in acts {
            let server = Server::start(move |_, _| act.clone()).await;
            let mut visit = server.visit();
            shown += &printed(visit.issues_since(None).await.unwrap_err());
            shown += &printed(visit.comment(1, "hi").await.unwrap_err());
            shown += &format!("{visit:?} {:?} {:?}", visit.github, server.settings());
            assert!(server.requests()[0].authorization.contains(TOKEN));
        }
        shown
    };
    let shown = work.with_subscriber(subscriber).await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();

    assert!(logged.contains("TRACE"), "was anything logged? {logged}");
    assert!(shown.contains("***") && !shown.contains(TOKEN), "{shown}");
    assert!(!logged.contains(TOKEN), "{logged}");
}

#[tokio::test]
async fn no_other_host_gets_the_token() {
    let other = Server::start(|_, _| message(200, "thanks")).await;
    let away = format!("location: http://{}/repos/acme/waves/issues", other.address);
    let server = Server::start(move |_, _| with(301, &away, json!({}))).await;
    let err = server.visit().labels().await.unwrap_err();
    assert!(err.to_string().contains("no useful answer"), "{err}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_token_that_cannot_be_one_is_not_sent() {
    let server = Server::start(|_, _| Act::HangUp).await;
    let said = |token: &str| {
        let auth = crate::github::Auth::Token(token.into());
        let settings = crate::github::Settings { auth, ..server.settings() };
        Github::new(&settings).map(drop).map_err(|err| err.to_string())
    };
    assert_eq!(said("  ghp_x\n"), Ok(()));
    insta::assert_snapshot!(said(" ").unwrap_err(), @"the token for GitHub cannot be used: it is empty");
    insta::assert_snapshot!(said("a\nb").unwrap_err(), @"the token for GitHub cannot be used: it has a space or a line break in it");
}
