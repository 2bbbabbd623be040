//! GitHub Apps: who signs with a key of its own gets tokens that last an hour.
//!
//! The signature itself is not looked at, only what it signs: the wrong key
//! looks the same to a client as the wrong app.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Access, Answer, Outcome, Request, Token, World, clock};
use crate::support::github::{render, world::App};

/// The longest that a signed request may be good for.
const LONGEST: i64 = 600;

pub(super) fn read(world: &mut World, request: &Request, _: &[String]) -> Outcome {
    let app = signed(world, request)?;
    let owner = world.repos[0].owner().to_owned();
    let since = clock::text(world.repos[0].created_at);
    Ok(Answer::ok(json!({
        "id": app.id,
        "slug": app.slug,
        "node_id": format!("A_{}", app.id),
        "name": app.slug,
        "description": null,
        "owner": render::user(world, &world.users[&owner]),
        "external_url": "https://example.com",
        "html_url": format!("https://github.com/apps/{}", app.slug),
        "created_at": since,
        "updated_at": since,
        "permissions": permissions(&app),
        "events": [],
    })))
}

pub(super) fn installation(world: &mut World, request: &Request, gaps: &[String]) -> Outcome {
    let app = signed(world, request)?;
    let name = format!("{}/{}", gaps[0], gaps[1]);
    let repo = world.find(&name).ok_or_else(Answer::not_found)?;
    let owner = world.users[world.repos[repo].owner()].clone();
    let since = clock::text(world.repos[repo].created_at);
    let (base, id) = (&world.base, app.installation);
    Ok(Answer::ok(json!({
        "id": id,
        "account": render::user(world, &owner),
        "repository_selection": "all",
        "access_tokens_url": format!("{base}/app/installations/{id}/access_tokens"),
        "repositories_url": format!("{base}/installation/repositories"),
        "html_url": format!("https://github.com/settings/installations/{id}"),
        "app_id": app.id,
        "app_slug": app.slug,
        "target_id": owner.id,
        "target_type": "User",
        "permissions": permissions(&app),
        "events": [],
        "created_at": since,
        "updated_at": since,
        "single_file_name": null,
        "suspended_by": null,
        "suspended_at": null,
    })))
}

pub(super) fn create_token(world: &mut World, request: &Request, gaps: &[String]) -> Outcome {
    let app = signed(world, request)?;
    if gaps[0] != app.installation.to_string() {
        return Err(Answer::not_found());
    }
    let mut granted = app.permissions.clone();
    if let Some(wanted) = request.field("permissions").and_then(Value::as_object) {
        let asked = |name: &String| wanted.get(name).and_then(Value::as_str);
        if let Some(name) = wanted.keys().find(|name| !granted.contains_key(*name)) {
            let refusal = format!("The permissions requested are not granted: {name}");
            return Err(Answer::unprocessable(&refusal));
        }
        granted.retain(|name, _| asked(name).is_some());
        for (name, access) in &mut granted {
            let less = if asked(name) == Some("read") { Access::Read } else { Access::Write };
            *access = less.min(*access);
        }
    }
    let expires_at = world.clock.now() + TimeDelta::hours(1);
    let login = format!("{}[bot]", app.slug);
    world.user(&login);
    let token =
        Token { login, permissions: Some(granted), of_app: true, expires_at: Some(expires_at) };
    let permissions = permissions(&App { permissions: token.permissions.clone().unwrap(), ..app });
    let text = world.give(token);
    Ok(Answer::created(json!({
        "token": text,
        "expires_at": clock::text(expires_at),
        "permissions": permissions,
        "repository_selection": "all",
    })))
}

fn permissions(app: &App) -> Value {
    app.permissions.iter().map(|(name, access)| (name.clone(), json!(access.name()))).collect()
}

/// The app that signed a request.
fn signed(world: &World, request: &Request) -> Result<App, Answer> {
    let refused = |why: &str| Answer::error(401, why);
    let parts: Vec<&str> = request.token.iter().flat_map(|token| token.split('.')).collect();
    let [_, claims, _] = parts[..] else {
        return Err(refused("A JSON web token could not be decoded"));
    };
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok();
    let claims: Option<Value> = claims.and_then(|text| serde_json::from_slice(&text).ok());
    let claims = claims.ok_or_else(|| refused("A JSON web token could not be decoded"))?;
    let now = world.clock.now().timestamp();
    let (issued, expires) = (claims["iat"].as_i64(), claims["exp"].as_i64());
    let issuer = claims["iss"].as_u64().or_else(|| claims["iss"].as_str()?.parse().ok());
    let app = world.app.clone().filter(|app| Some(app.id) == issuer);
    let app = app.ok_or_else(|| refused("Integration not found"))?;
    // GitHub allows a client's clock nothing: whoever signs, dates it back.
    if issued.is_none_or(|issued| issued > now) {
        return Err(refused("'Issued at' claim ('iat') must be an Integer representing the past"));
    }
    if expires.is_none_or(|expires| expires < now || expires > now + LONGEST) {
        return Err(refused("'Expiration time' claim ('exp') is too far in the future"));
    }
    Ok(app)
}
