//! What programs say when something goes wrong, in words that differ from
//! version to version.

use super::Fault;

/// By what people can do about it, the more special first.
const SAID: [(Fault, &[&str]); 3] = [
    (
        Fault::NoSession,
        &[
            "no conversation found",
            "no rollout found",
            "session not found",
            "invalid session identifier",
            "no previous sessions found",
        ],
    ),
    (
        Fault::Login,
        &[
            "401 unauthorized",
            "403 forbidden",
            "unauthenticated",
            "authentication_error",
            "authentication_failed",
            "invalid authentication",
            "invalid auth method",
            "invalid api key",
            "invalid_api_key",
            "invalid x-api-key",
            "incorrect api key",
            "api key not valid",
            "api key not found",
            "missing environment variable",
            "not logged in",
            "run /login",
            "please set an auth method",
        ],
    ),
    (Fault::Turns, &["maximum number of turns", "max session turns", "turn limit"]),
];

/// What a complaint is about; `status` is what the provider answered.
pub(super) fn fault(said: &str, status: Option<u64>) -> Fault {
    if matches!(status, Some(401 | 403)) {
        return Fault::Login;
    }
    let said = said.to_lowercase();
    let found = SAID.iter().find(|(_, words)| words.iter().any(|word| said.contains(word)));
    found.map_or(Fault::Other, |(fault, _)| *fault)
}

/// Whether a tool says that nobody allowed it.
pub(super) fn is_denial(said: &str) -> bool {
    let said = said.to_lowercase();
    ["permission", "denied", "not allowed", "declined", "rejected by", "requires approval"]
        .iter()
        .any(|word| said.contains(word))
}
