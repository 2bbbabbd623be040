//! Who is who, who may do what, and the repo itself.

use serde_json::json;

use super::{Answer, Call, Outcome, clock};
use crate::support::github::render;

/// A program is nobody.
pub(super) fn me(call: &mut Call<'_>) -> Outcome {
    if call.token.of_app {
        return Err(Answer::error(403, "Resource not accessible by integration"));
    }
    profile(call, &call.login())
}

pub(super) fn user(call: &mut Call<'_>) -> Outcome {
    profile(call, &call.gaps[0])
}

fn profile(call: &Call<'_>, login: &str) -> Outcome {
    let user = call.world.users.get(login).ok_or_else(Answer::not_found)?;
    let mut json = render::user(call.world, user);
    for unset in ["name", "company", "blog", "location", "email", "hireable", "bio"] {
        json[unset] = json!(null);
    }
    for count in ["public_repos", "public_gists", "followers", "following"] {
        json[count] = json!(0);
    }
    let since = clock::text(call.repo().created_at);
    json["created_at"] = json!(since);
    json["updated_at"] = json!(since);
    Ok(Answer::ok(json))
}

pub(super) fn permission(call: &mut Call<'_>) -> Outcome {
    let login = &call.gaps[2];
    if !call.world.users.contains_key(login) {
        return Err(Answer::error(404, &format!("{login} is not a user")));
    }
    Ok(Answer::ok(call.render().permission(login)))
}

pub(super) fn repo(call: &mut Call<'_>) -> Outcome {
    Ok(Answer::ok(call.render().repository(&call.role())))
}

pub(super) fn rate_limit(call: &mut Call<'_>) -> Outcome {
    let reset = call.world.clock.now().timestamp() + 3_600;
    let core = json!({ "limit": 5000, "remaining": 4999, "used": 1, "reset": reset });
    let search = json!({ "limit": 30, "remaining": 30, "used": 0, "reset": reset });
    let resources = json!({ "core": core, "search": search });
    Ok(Answer::ok(json!({ "resources": resources, "rate": core })))
}
