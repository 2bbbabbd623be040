//! A GitHub App gets itself a token, for an hour and for all visits.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::github::{
    Auth, Error, Github, Settings,
    testing::{Act, Server, answer, message, with},
};

/// Made for these tests, and too short for anything else. Without its first and
/// last line, so that no scanner takes the file for a leak.
const KEY: &str = include_str!("../../../tests/it/support/app_key.txt");

fn pem() -> String {
    let kind = "RSA PRIVATE KEY";
    format!("-----BEGIN {kind}-----\n{KEY}-----END {kind}-----\n")
}

fn key(text: &str) -> SecretString {
    text.to_owned().into()
}

fn settings(server: &Server) -> Settings {
    Settings { auth: Auth::app("77", &key(&pem())).unwrap(), ..server.settings() }
}

/// A server that knows one installation, whose tokens end at `end`.
async fn server(end: &'static str) -> Server {
    const NOW: &str = "date: Sun, 22 Nov 2026 17:00:00 GMT";
    Server::start(move |number, request| match request.line.as_str() {
        "GET /repos/acme/waves/installation" => with(200, NOW, json!({ "id": 5 })),
        "POST /app/installations/5/access_tokens" => {
            with(201, NOW, json!({ "token": format!("ghs_{number}"), "expires_at": end }))
        }
        line if line.starts_with("POST") => message(404, "Not Found"),
        _ => answer(200, json!([])),
    })
    .await
}

#[tokio::test]
async fn an_app_asks_once_for_a_token_and_all_visits_use_it() {
    let server = server("2026-11-22T18:00:00Z").await;
    let github = Github::new(&settings(&server)).unwrap();
    for _ in 0..2 {
        github.visit().labels().await.unwrap();
    }

    // Who a request says it is from: an App by its id, in a signed note.
    let said: Vec<String> = server
        .requests()
        .into_iter()
        .map(|request| {
            let claims = request.authorization.split('.').nth(1).map(|part| {
                let json = BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
                serde_json::from_slice::<Value>(&json).unwrap()["iss"].to_string()
            });
            format!("{} as {}", request.line, claims.unwrap_or(request.authorization))
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    GET /repos/acme/waves/installation as 77
    POST /app/installations/5/access_tokens as 77
    GET /repos/acme/waves/labels?per_page=100 as Bearer ghs_1
    GET /repos/acme/waves/labels?per_page=100 as Bearer ghs_1
    ");
}

#[tokio::test]
async fn where_an_app_is_installed_is_asked_once_and_again_when_it_is_not_so() {
    let server = server("2026-11-22T18:00:00Z").await;
    let first = Github::new(&settings(&server)).unwrap();
    assert_eq!(first.installation(), None);
    first.visit().labels().await.unwrap();
    assert_eq!(first.installation(), Some(5));

    let asked = |known| {
        let (server, before) = (&server, server.requests().len());
        async move {
            let github = Github::new(&settings(server)).unwrap();
            github.remember_installation(known);
            github.visit().labels().await.unwrap();
            assert_eq!(github.installation(), Some(5));
            server.requests().len() - before
        }
    };
    assert_eq!(asked(5).await, 2);
    assert_eq!(asked(6).await, 4);
}

#[tokio::test]
async fn a_token_near_its_end_is_replaced() {
    let server = server("2026-11-22T17:05:00Z").await;
    let github = Github::new(&settings(&server)).unwrap();
    github.visit().labels().await.unwrap();
    github.visit().labels().await.unwrap();
    let used: Vec<String> = server.requests().into_iter().map(|it| it.authorization).collect();
    assert_eq!((used[2].as_str(), used[4].as_str()), ("Bearer ghs_1", "Bearer ghs_3"));
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_by_the_next_visit() {
    let server = Server::start(|number, request| match request.line.as_str() {
        "GET /repos/acme/waves/installation" => answer(200, json!({ "id": 5 })),
        line if line.starts_with("POST") => {
            let now = "date: Sun, 22 Nov 2026 17:00:00 GMT";
            let end = "2026-11-22T18:00:00Z";
            with(201, now, json!({ "token": format!("ghs_{number}"), "expires_at": end }))
        }
        _ if request.authorization == "Bearer ghs_1" => message(401, "Bad credentials"),
        _ => answer(200, json!([])),
    })
    .await;
    let github = Github::new(&settings(&server)).unwrap();
    assert!(matches!(github.visit().labels().await, Err(Error::Unauthorized)));
    assert!(github.visit().labels().await.is_ok());
}

#[tokio::test]
async fn an_app_that_is_not_installed_is_told_apart() {
    let server = Server::start(|_, _| message(404, "Not Found")).await;
    let err = Github::new(&settings(&server)).unwrap().visit().labels().await.unwrap_err();
    insta::assert_snapshot!(err, @"the GitHub App is not installed for acme/waves");

    let server = Server::start(|_, _| message(401, "A JSON web token could not be decoded")).await;
    let err = Github::new(&settings(&server)).unwrap().visit().labels().await.unwrap_err();
    assert!(matches!(err, Error::Unauthorized), "{err:?}");
}

#[tokio::test]
async fn a_key_is_text_or_a_file() {
    let server = Server::start(|_, _| Act::HangUp).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.pem");
    std::fs::write(&file, pem()).unwrap();
    let made = |id: &str, text: &str| {
        let auth = Auth::app(id, &key(text)).map_err(|err| err.to_string())?;
        let settings = Settings { auth, ..server.settings() };
        Github::new(&settings).map(drop).map_err(|err| err.to_string())
    };
    assert_eq!(made("77", &pem()), Ok(()));
    assert_eq!(made("77", &pem().replace('\n', "\\n")), Ok(()));
    assert_eq!(made("77", file.to_str().unwrap()), Ok(()));

    let said = [
        made("x", &pem()),
        made("77", "/nowhere/app.pem"),
        made("77", &pem().replace("MIIC", "AAAA")),
        made("77", "-----BEGIN nothing"),
    ];
    let said: Vec<String> = said.into_iter().map(Result::unwrap_err).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    WAVEMARK_APP_ID cannot be used: it is not a number
    WAVEMARK_APP_KEY cannot be used: it is neither PEM nor a readable file
    WAVEMARK_APP_KEY cannot be used: it is not an RSA key as PEM
    WAVEMARK_APP_KEY cannot be used: it is not an RSA key as PEM
    ");
}
