//! The JSON Schema of plan files, for editors.
//!
//! It is put together from the declarations that reading goes by, see
//! `kind`. Draft 7, because every editor with a YAML language server
//! understands it and nothing newer is needed.
//!
//! **Invariant:** what `wavemark check` takes is valid by the schema.

use serde_json::{Value as Json, json};

use super::{kind::Kind as _, profile::ProfileFields, project::ProjectFields, wave::WaveFields};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of `waves/project.yaml`.
pub fn project() -> Json {
    whole(ProjectFields::schema())
}

/// The schema of a wave file.
pub fn wave() -> Json {
    whole(WaveFields::schema())
}

/// The schema of a profile.
pub fn profile() -> Json {
    whole(ProfileFields::schema())
}

/// The schema of all: a file that says `project` is the project's, one that
/// says `start` a profile.
///
/// One schema for the whole folder is what an editor can be pointed to with a
/// single glob.
pub fn file() -> Json {
    let (project, wave) = (ProjectFields::schema(), WaveFields::schema());
    let profile = ProfileFields::schema();
    whole(json!({
        "title": "a file of a Wavemark plan",
        "type": "object",
        // In an empty file, all are offered.
        "properties": {
            "project": project["properties"]["project"],
            "wave": wave["properties"]["wave"],
            "start": profile["properties"]["start"],
        },
        "if": { "required": ["project"] },
        "then": project,
        "else": { "if": { "required": ["start"] }, "then": profile, "else": wave },
    }))
}

fn whole(mut schema: Json) -> Json {
    schema["$schema"] = DRAFT.into();
    schema
}
