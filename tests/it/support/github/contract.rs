//! What GitHub itself says that its API takes and gives, as a judge of every
//! request and of every answer.
//!
//! The description is GitHub's (`openapi.json`), so the fake can't drift from
//! the real one: an answer that GitHub would not give is a bug of the fake, a
//! request that GitHub does not know is a bug of the client. Validators are
//! compiled when they are first needed, once a process.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex},
};

use jsonschema::{Draft, Registry, Validator};
use serde_json::{Map, Value, json};

use super::{request::Request, schema};

/// Where the description lies for the validators.
const URI: &str = "urn:github";

/// What every endpoint may answer, described or not.
const ANYWHERE: [u16; 8] = [301, 400, 401, 403, 404, 409, 422, 429];

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

/// One thing that GitHub can be asked to do: a method and a path with gaps.
#[derive(Debug)]
pub(super) struct Operation {
    /// As in `GET /repos/{owner}/{repo}`.
    pub(super) name: String,
    method: String,
    segments: Vec<String>,
    pointer: String,
    /// The types of the query parameters, for those that are not text.
    query: BTreeMap<String, String>,
}

struct Contract {
    document: Value,
    registry: Registry<'static>,
    operations: Vec<Operation>,
    compiled: Mutex<HashMap<String, Arc<Validator>>>,
}

/// Reads the description now rather than during somebody's first call, which
/// may be one with a timeout.
pub(super) fn read() {
    LazyLock::force(&CONTRACT);
}

/// The operation that a request asks for, and what stands in its gaps.
pub(super) fn find(request: &Request) -> Option<(&'static Operation, Vec<String>)> {
    CONTRACT
        .operations
        .iter()
        .filter(|operation| operation.method == request.method)
        .find_map(|operation| Some((operation, operation.gaps(&request.segments)?)))
}

/// What GitHub would not take in a request: one line each.
pub(super) fn check_request(operation: &Operation, request: &Request) -> Vec<String> {
    let mut wrong = CONTRACT.check(&format!("{}/query", operation.pointer), "query", &{
        let pairs = request.query.iter().map(|(name, value)| {
            let kind = operation.query.get(name).map_or("string", String::as_str);
            (name.clone(), typed(kind, value))
        });
        pairs.collect::<Map<String, Value>>().into()
    });
    let body = format!("{}/requestBody", operation.pointer);
    match (&request.body, CONTRACT.document.pointer(&body)) {
        (Some(_), None) => wrong.push("body: this takes none".to_owned()),
        (Some(given), Some(_)) => {
            wrong.extend(CONTRACT.check(&format!("{body}/{JSON}"), "body", given));
        }
        (None, Some(wanted)) if wanted["required"] == true => {
            wrong.push("body: this needs one".to_owned());
        }
        (None, _) => (),
    }
    wrong
}

/// What GitHub would not say in an answer: one line each.
pub(super) fn check_answer(
    operation: &Operation,
    status: u16,
    body: Option<&Value>,
) -> Vec<String> {
    let responses = format!("{}/responses/{status}", operation.pointer);
    let described = CONTRACT.document.pointer(&responses);
    // Answers are described in place or by name.
    let responses = described
        .and_then(|response| response["$ref"].as_str())
        .map_or(responses, |named| named.trim_start_matches('#').to_owned());
    let schema = format!("{responses}/{JSON}");
    match (body, CONTRACT.document.pointer(&schema)) {
        _ if described.is_none() && !ANYWHERE.contains(&status) => {
            vec![format!("status: {status} is never an answer to this")]
        }
        (None, None) => Vec::new(),
        (None, Some(_)) => vec!["body: there is none".to_owned()],
        (Some(_), None) if described.is_some() => vec!["body: there should be none".to_owned()],
        (Some(body), None) => CONTRACT.check("/components/schemas/basic-error", "body", body),
        (Some(body), Some(_)) => CONTRACT.check(&schema, "body", body),
    }
}

/// Where a body's schema lies, below what it is the body of.
const JSON: &str = "content/application~1json/schema";

impl Contract {
    fn read() -> Self {
        let mut document: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        schema::rewrite(&mut document["paths"]);
        schema::rewrite(&mut document["components"]);
        let parameters = document["components"]["parameters"].clone();
        let mut operations = Vec::new();
        for (path, methods) in document["paths"].as_object_mut().unwrap() {
            for (method, described) in methods.as_object_mut().unwrap() {
                let pointer = format!("/paths/{}/{method}", path.replace('/', "~1"));
                operations.push(Operation::read(method, path, pointer, described, &parameters));
            }
        }
        // The more that is written out, the better the match.
        operations.sort_by_key(|operation| operation.name.matches('{').count());
        let registry = Registry::new()
            .draft(Draft::Draft7)
            .add(URI, document.clone())
            .and_then(jsonschema::RegistryBuilder::prepare)
            .unwrap();
        Self { document, registry, operations, compiled: Mutex::default() }
    }

    /// What is wrong with a value, by the schema at a pointer.
    fn check(&'static self, pointer: &str, what: &str, value: &Value) -> Vec<String> {
        let validator = Arc::clone(
            self.compiled.lock().unwrap().entry(pointer.to_owned()).or_insert_with(|| {
                let named = pointer.replace('{', "%7B").replace('}', "%7D");
                let schema = json!({ "$ref": format!("{URI}#{named}") });
                let options = jsonschema::options()
                    .with_draft(Draft::Draft7)
                    .with_registry(&self.registry)
                    .should_validate_formats(true)
                    .should_ignore_unknown_formats(true);
                Arc::new(options.build(&schema).unwrap_or_else(|err| panic!("{pointer}: {err}")))
            }),
        );
        validator
            .iter_errors(value)
            .map(|err| format!("{what}{}: {err}", err.instance_path()))
            .collect()
    }
}

impl Operation {
    fn read(
        method: &str,
        path: &str,
        pointer: String,
        described: &mut Value,
        named: &Value,
    ) -> Self {
        let method = method.to_uppercase();
        let name = format!("{method} {path}");
        let mut query = BTreeMap::new();
        let mut properties = Map::new();
        for parameter in described["parameters"].as_array().into_iter().flatten() {
            let parameter = match parameter["$ref"].as_str() {
                Some(link) => &named[link.rsplit('/').next().unwrap()],
                None => parameter,
            };
            if parameter["in"] == "query" {
                let name = parameter["name"].as_str().unwrap().to_owned();
                if let Some(kind) = parameter["schema"]["type"].as_str() {
                    query.insert(name.clone(), kind.to_owned());
                }
                properties.insert(name, parameter["schema"].clone());
            }
        }
        described["query"] = json!({ "properties": properties, "additionalProperties": false });
        let segments = path.split('/').skip(1).map(str::to_owned).collect();
        Self { name, method, segments, pointer, query }
    }

    /// What stands in the gaps, where the path fits.
    fn gaps(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut gaps = Vec::new();
        for (index, wanted) in self.segments.iter().enumerate() {
            match wanted.as_str() {
                // These may have slashes in them.
                "{path}" | "{ref}" => {
                    gaps.push(segments.get(index..).filter(|rest| !rest.is_empty())?.join("/"));
                    return Some(gaps);
                }
                gap if gap.starts_with('{') => {
                    let given = segments.get(index)?;
                    let counts = gap.ends_with("_number}") || gap == "{comment_id}";
                    if counts && given.parse::<u64>().is_err() {
                        return None;
                    }
                    gaps.push(given.clone());
                }
                word if *word == **segments.get(index)? => (),
                _ => return None,
            }
        }
        (segments.len() == self.segments.len()).then_some(gaps)
    }
}

/// A query parameter as the JSON that it stands for.
fn typed(kind: &str, text: &str) -> Value {
    match kind {
        "integer" => text.parse::<i64>().map_or_else(|_| json!(text), Value::from),
        "boolean" => text.parse::<bool>().map_or_else(|_| json!(text), Value::from),
        _ => json!(text),
    }
}
