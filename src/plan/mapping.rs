//! The declaration of a mapping: its fields, each said once.
//!
//! [`mapping!`] turns it into the struct that a mapping is read into, into the
//! names that are known in it, and into its JSON Schema. The doc comment of a
//! field is what an editor shows about it.

use serde_json::{Map, Value as Json, json};

/// One field as it was declared.
pub(super) struct Declared {
    pub(super) name: &'static str,
    /// What it is, in a sentence.
    pub(super) about: &'static str,
    pub(super) needed: bool,
    /// What holds when it is left out.
    pub(super) default: Option<Json>,
    /// The schema of its value.
    pub(super) schema: Json,
}

/// The schema of a mapping that is `what`, with these fields and no others.
pub(super) fn schema(what: &str, about: &str, fields: Vec<Declared>) -> Json {
    let needed: Vec<&str> =
        fields.iter().filter(|field| field.needed).map(|field| field.name).collect();
    let properties: Map<String, Json> =
        fields.into_iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let mut schema = json!({
        "type": "object",
        "title": what,
        "description": one_line(about),
        "properties": properties,
        "additionalProperties": false,
    });
    if !needed.is_empty() {
        schema["required"] = needed.into();
    }
    schema
}

fn property(field: Declared) -> Json {
    let mut schema = field.schema;
    let mut about = one_line(field.about);
    // A mapping in a field says what its fields are; other kinds say how to
    // write them.
    if schema.get("properties").is_none()
        && let Some(kind) = schema["description"].as_str()
    {
        about = format!("{about}\n\n{kind}");
    }
    schema["description"] = about.into();
    if let (Some(default), Some(details)) = (field.default, schema.as_object_mut()) {
        // Editors insert the one or the other.
        details.remove("examples");
        details.insert("default".to_owned(), default);
    }
    if !field.needed {
        or_nothing(&mut schema);
    }
    schema
}

/// A field that is there but empty counts as left out.
pub(super) fn or_nothing(schema: &mut Json) {
    let types = match schema["type"].take() {
        Json::Array(types) => types,
        one => vec![one],
    };
    schema["type"] = types.into_iter().chain(["null".into()]).collect();
    if let Some(Json::Array(words)) = schema.get_mut("enum") {
        words.push(Json::Null);
    }
}

/// A doc comment without its line breaks.
fn one_line(about: &str) -> String {
    about.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Declares a mapping: what it is called in messages, and its fields with what
/// each is, what may stand in it, and what holds without it.
///
/// `#[needed = "…"]` is a field that must be there, with an example;
/// `#[default = …]` one with a value of its own when it is left out. The fields
/// of another mapping can stand among those of this one: `..inner: Other`.
macro_rules! mapping {
    (
        $(#[doc = $about:literal])+
        pub(super) struct $name:ident, $what:literal {
            $(
                $(#[doc = $doc:literal])+
                $(#[needed = $example:literal])?
                $(#[default = $default:tt])?
                $field:ident: $kind:ty,
            )*
            $(..$inner:ident: $other:ty,)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name {
            $( $(#[doc = $doc])+ pub(super) $field: Option<$kind>, )*
            $( pub(super) $inner: $other, )?
        }

        impl $name {
            /// The names of all fields.
            pub(super) fn known() -> Vec<&'static str> {
                #[allow(unused_mut, reason = "only a mapping with another in it extends it")]
                let mut known = vec![$(stringify!($field)),*];
                $( known.extend(<$other>::known()); )?
                known
            }

            /// What the fields of a mapping say; what is wrong is reported.
            #[allow(unused_variables, reason = "there are mappings without fields")]
            pub(super) fn of(
                fields: &$crate::plan::fields::Fields<'_>,
                cx: &mut $crate::plan::fields::Reading<'_>,
            ) -> Self {
                Self {
                    $( $field: {
                        $( fields.require(stringify!($field), $example, cx); )?
                        fields.read(stringify!($field), cx)
                    }, )*
                    $( $inner: <$other>::of(fields, cx), )?
                }
            }

            /// All fields, as declared.
            pub(super) fn declared() -> Vec<$crate::plan::mapping::Declared> {
                #[allow(unused_mut, reason = "only a mapping with another in it extends it")]
                let mut declared = vec![$( $crate::plan::mapping::Declared {
                    name: stringify!($field),
                    about: concat!($($doc),+),
                    needed: false $(|| !$example.is_empty())?,
                    default: None $(.or(Some(serde_json::json!($default))))?,
                    schema: <$kind as $crate::plan::kind::Kind>::schema(),
                } ),*];
                $( declared.extend(<$other>::declared()); )?
                declared
            }
        }

        impl $crate::plan::kind::Kind for $name {
            fn read(
                node: &$crate::plan::yaml::Node,
                cx: &mut $crate::plan::fields::Reading<'_>,
            ) -> Option<Self> {
                let fields = $crate::plan::fields::Fields::open(node, $what, &Self::known(), cx)?;
                Some(Self::of(&fields, cx))
            }

            fn schema() -> serde_json::Value {
                $crate::plan::mapping::schema($what, concat!($($about),+), Self::declared())
            }
        }
    };
}
pub(super) use mapping;
