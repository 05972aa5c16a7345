//! What a plugin declares of its configuration and methods, compiled once and held against what
//! goes in and comes out.

use std::collections::BTreeMap;

use jsonschema::{Validator, error::ValidationErrorKind};
use serde_json::Value;
use tandem_plugin_sdk::wire::Manifest;

use crate::{
    Refusal,
    cost::{self, Looks},
};

/// All schemas of a plugin's methods.
#[derive(Debug, Default)]
pub struct Schemas {
    methods: BTreeMap<String, Method>,
}

#[derive(Debug, Default)]
struct Method {
    params: Option<Compiled>,
    result: Option<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    validator: Validator,
    /// See [`cost`].
    cost: u64,
}

impl Schemas {
    /// Compiles what the manifest declares.
    ///
    /// # Errors
    /// When something is no JSON Schema, or one that may be at work without end.
    pub fn of(manifest: &Manifest) -> Result<Self, Refusal> {
        let mut methods = BTreeMap::new();
        let mut looks = Looks::default();
        for (name, spec) in &manifest.methods {
            let mut one = |what: &str, schema: &Option<Value>| {
                let compiled = schema
                    .as_ref()
                    .map(|schema| compile(name, what, schema, &mut looks));
                compiled.transpose()
            };
            let method = Method {
                params: one("params", &spec.params)?,
                result: one("result", &spec.result)?,
            };
            methods.insert(name.clone(), method);
        }
        Ok(Self { methods })
    }

    /// # Errors
    /// Where and why the parameters do not fit.
    pub fn check_params(&self, method: &str, params: &Value) -> Result<(), String> {
        let schema = self.methods.get(method).and_then(|m| m.params.as_ref());
        schema.map_or(Ok(()), |schema| fits(schema, params))
    }

    /// # Errors
    /// Where and why the result does not fit.
    pub fn check_result(&self, method: &str, result: &Value) -> Result<(), String> {
        let schema = self.methods.get(method).and_then(|m| m.result.as_ref());
        schema.map_or(Ok(()), |schema| fits(schema, result))
    }
}

/// Holds a configuration against the plugin's schema of it.
///
/// # Errors
/// Where it does not fit, or when the schema is none.
pub fn check_config(manifest: &Manifest, config: &Value) -> Result<(), Refusal> {
    match misfits(manifest, config)?.into_iter().next() {
        None => Ok(()),
        Some(Misfit { path, what }) => Err(Refusal::Config {
            place: path.iter().map(|step| format!("/{step}")).collect(),
            what,
        }),
    }
}

/// One place where a configuration does not fit a plugin's schema of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Keys and indexes from the configuration's root.
    pub path: Vec<String>,
    pub what: Mismatch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The plugin knows no such setting: the last step of the path.
    Unknown,
    /// This one is missing there.
    Missing(String),
    /// In the schema's own words, without the value.
    Other(String),
}

impl Mismatch {
    /// English and Chinese, to stand after the place.
    #[must_use]
    pub fn said(&self) -> (String, String) {
        match self {
            Self::Unknown => ("it knows no such setting".into(), "它没有这个设置".into()),
            Self::Missing(key) => (format!("`{key}` is missing"), format!("缺少 `{key}`")),
            Self::Other(why) => (why.clone(), in_chinese(why)),
        }
    }
}

/// The commonest words of a schema; the others stay as they are.
fn in_chinese(why: &str) -> String {
    if why == TOO_MUCH {
        return "对于如此复杂的 schema，它太大了".to_owned();
    }
    let known = [
        ("value is not of type ", "类型应为 "),
        ("value is not of types ", "类型应为以下之一："),
        ("value is not one of ", "应为以下之一："),
    ];
    let mut said = known
        .iter()
        .filter_map(|(en, zh)| Some(format!("{zh}{}", why.strip_prefix(en)?)));
    said.next().unwrap_or_else(|| why.to_owned())
}

/// Every place where a configuration does not fit the plugin's schema of it, for those who can show
/// where it was written.
///
/// # Errors
/// When the schema is none.
pub fn misfits(manifest: &Manifest, config: &Value) -> Result<Vec<Misfit>, Refusal> {
    let Some(schema) = &manifest.config else {
        return Ok(Vec::new());
    };
    let schema = compile("config", "", schema, &mut Looks::default())?;
    if !cost::allows(schema.cost, config) {
        let what = Mismatch::Other(TOO_MUCH.to_owned());
        return Ok(vec![Misfit {
            path: Vec::new(),
            what,
        }]);
    }
    let mut found = Vec::new();
    for error in schema.validator.iter_errors(config).take(MISFITS) {
        let pointer = error.instance_path().as_str();
        let path: Vec<String> = pointer
            .split('/')
            .skip(1)
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .collect();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                found.extend(unexpected.iter().map(|key| Misfit {
                    path: path.iter().chain([key]).cloned().collect(),
                    what: Mismatch::Unknown,
                }));
            }
            ValidationErrorKind::Required { property } => found.push(Misfit {
                path,
                what: Mismatch::Missing(property.as_str().unwrap_or_default().to_owned()),
            }),
            _ => found.push(Misfit {
                path,
                what: Mismatch::Other(short(&error.masked().to_string())),
            }),
        }
    }
    Ok(found)
}

/// Misfits told at once.
const MISFITS: usize = 50;

const TOO_MUCH: &str = "it is too large for a schema as intricate as this";

fn compile(name: &str, what: &str, schema: &Value, looks: &mut Looks) -> Result<Compiled, Refusal> {
    let refused = |why: &str| Refusal::Schema {
        place: format!("`{name}` {what}").trim_end().to_owned(),
        why: short(why),
    };
    let cost = cost::of(schema, looks).map_err(|why| refused(&why))?;
    let validator = jsonschema::validator_for(schema).map_err(|why| refused(&why.to_string()))?;
    Ok(Compiled { validator, cost })
}

/// The values themselves are left out of the words: they may be secrets or a customer's.
fn fits(schema: &Compiled, value: &Value) -> Result<(), String> {
    if !cost::allows(schema.cost, value) {
        return Err(TOO_MUCH.to_owned());
    }
    schema.validator.validate(value).map_err(|error| {
        let place = error.instance_path().to_string();
        let why = short(&error.masked().to_string());
        match place.is_empty() {
            true => why,
            false => format!("{place}: {why}"),
        }
    })
}

fn short(words: &str) -> String {
    words.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> Manifest {
        serde_json::from_value(json!({
            "name": "a", "version": "1", "kinds": {"action": 1},
            "config": {"type": "object", "required": ["url"], "additionalProperties": false,
                "properties": {"url": {"type": "string"}, "token": {"type": "string"}}},
            "methods": {"action.go": {"params": {"type": "object", "required": ["to"]},
                "result": {"type": "object", "properties": {"n": {"type": "integer"}}}}},
        }))
        .unwrap()
    }

    #[test]
    fn a_configuration_that_does_not_fit_is_refused_with_its_place_and_without_its_value() {
        let refused = |config| check_config(&manifest(), &config).unwrap_err();
        assert_eq!(check_config(&manifest(), &json!({"url": "u"})), Ok(()));
        assert!(refused(json!({})).to_string().contains("url"));
        let wrong = refused(json!({"url": "u", "token": 477_123}));
        assert!(wrong.to_string().contains("`config/token`"), "{wrong}");
        assert!(!wrong.to_string().contains("477123"), "{wrong}");
        assert!(wrong.zh().contains("配置"));
        let unknown = refused(json!({"url": "u", "tokn": "x"})).to_string();
        assert!(
            unknown.contains("`config/tokn`: it knows no such setting"),
            "{unknown}"
        );
    }

    #[test]
    fn every_misfit_has_its_path() {
        let config = json!({"tokn": "x", "token": 7});
        let mut found = misfits(&manifest(), &config).unwrap();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        let [missing, token, unknown] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(missing.what, Mismatch::Missing("url".into()));
        assert_eq!(missing.path, Vec::<String>::new());
        let (en, zh) = token.what.said();
        assert!(en.contains("string"), "{en}");
        assert_eq!(zh, "类型应为 \"string\"");
        assert_eq!(unknown.path, ["tokn"]);
        assert_eq!(unknown.what, Mismatch::Unknown);
    }

    #[test]
    fn parameters_and_results_are_held_against_their_schemas() {
        let schemas = Schemas::of(&manifest()).unwrap();
        assert_eq!(schemas.check_params("action.go", &json!({"to": 1})), Ok(()));
        assert!(schemas.check_params("action.go", &json!({})).is_err());
        assert!(
            schemas
                .check_result("action.go", &json!({"n": "x"}))
                .is_err()
        );
        assert_eq!(schemas.check_result("action.other", &json!(7)), Ok(()));
    }

    #[test]
    fn a_schema_that_is_none_or_reaches_outside_is_refused() {
        for schema in [
            json!({"type": "strnig"}),
            json!({"$ref": "https://example.com/s.json"}),
            json!({"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}),
        ] {
            let mut manifest = manifest();
            manifest.methods.get_mut("action.go").unwrap().params = Some(schema);
            assert!(matches!(
                Schemas::of(&manifest),
                Err(Refusal::Schema { .. })
            ));
        }
    }
}
