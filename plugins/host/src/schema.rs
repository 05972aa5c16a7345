//! What a plugin declares of its configuration and methods, compiled once and held against what
//! goes in and comes out.

use std::collections::BTreeMap;

use jsonschema::{
    ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;
use tandem_plugin_sdk::wire::Manifest;

use crate::{
    Refusal, Said,
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
    pub fn check_params(&self, method: &str, params: &Value) -> Result<(), Said> {
        let schema = self.methods.get(method).and_then(|m| m.params.as_ref());
        schema.map_or(Ok(()), |schema| fits(schema, params))
    }

    /// # Errors
    /// Where and why the result does not fit.
    pub fn check_result(&self, method: &str, result: &Value) -> Result<(), Said> {
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
    /// What the schema wants, without the value.
    Other(Said),
}

impl Mismatch {
    /// In both languages, to stand after the place.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Self::Unknown => Said::new("it knows no such setting", "它没有这个设置"),
            Self::Missing(key) => Said::new(format!("`{key}` is missing"), format!("缺少 `{key}`")),
            Self::Other(said) => said.clone(),
        }
    }
}

/// What a schema wants. The value itself is left out: it may be a secret or a customer's.
fn said(error: &ValidationError<'_>) -> Said {
    Said::new(
        short(&error.masked().to_string()),
        short(&in_chinese(error.kind())),
    )
}

fn in_chinese(kind: &ValidationErrorKind) -> String {
    match kind {
        ValidationErrorKind::Type { kind } => match kind {
            TypeKind::Single(one) => format!("类型应为 \"{one}\""),
            TypeKind::Multiple(types) => {
                let types: Vec<String> = types.iter().map(|one| format!("\"{one}\"")).collect();
                format!("类型应为以下之一：{}", types.join("、"))
            }
        },
        ValidationErrorKind::Enum { options } => format!("应为以下之一：{options}"),
        ValidationErrorKind::Constant { expected_value } => format!("只能是 {expected_value}"),
        ValidationErrorKind::Required { property } => format!("缺少 {property}"),
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            format!("多余的字段：{}", unexpected.join("、"))
        }
        ValidationErrorKind::Pattern { pattern } => format!("应符合 {pattern}"),
        ValidationErrorKind::Format { format } => format!("应符合格式 {format}"),
        ValidationErrorKind::Minimum { limit } => format!("不得小于 {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("不得大于 {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("应大于 {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("应小于 {limit}"),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("应为 {multiple_of} 的倍数"),
        ValidationErrorKind::MinLength { limit } => format!("至少 {limit} 个字符"),
        ValidationErrorKind::MaxLength { limit } => format!("最多 {limit} 个字符"),
        ValidationErrorKind::MinItems { limit } => format!("至少 {limit} 项"),
        ValidationErrorKind::MaxItems { limit } => format!("最多 {limit} 项"),
        ValidationErrorKind::MinProperties { limit } => format!("至少 {limit} 个字段"),
        ValidationErrorKind::MaxProperties { limit } => format!("最多 {limit} 个字段"),
        ValidationErrorKind::UniqueItems => "各项不得重复".to_owned(),
        ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => {
            "不符合任何一种可选的形式".to_owned()
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => "同时符合不止一种可选的形式".to_owned(),
        other => format!("不符合 schema 中的 `{}`", other.keyword()),
    }
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
        let what = Mismatch::Other(too_much());
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
                what: Mismatch::Other(said(&error)),
            }),
        }
    }
    Ok(found)
}

/// Misfits told at once.
const MISFITS: usize = 50;

fn too_much() -> Said {
    Said::new(
        "it is too large for a schema as intricate as this",
        "对于如此复杂的 schema，它太大了",
    )
}

fn compile(name: &str, what: &str, schema: &Value, looks: &mut Looks) -> Result<Compiled, Refusal> {
    let refused = |why: Said| Refusal::Schema {
        place: format!("`{name}` {what}").trim_end().to_owned(),
        why,
    };
    let cost = cost::of(schema, looks).map_err(refused)?;
    let validator = jsonschema::validator_for(schema).map_err(|why| {
        refused(Said::new(
            short(&why.to_string()),
            short(&in_chinese(why.kind())),
        ))
    })?;
    Ok(Compiled { validator, cost })
}

fn fits(schema: &Compiled, value: &Value) -> Result<(), Said> {
    if !cost::allows(schema.cost, value) {
        return Err(too_much());
    }
    schema.validator.validate(value).map_err(|error| {
        let place = error.instance_path().to_string();
        let Said { en, zh } = said(&error);
        match place.is_empty() {
            true => Said { en, zh },
            false => Said::new(format!("{place}: {en}"), format!("{place}：{zh}")),
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
        let Said { en, zh } = token.what.said();
        assert!(en.contains("string"), "{en}");
        assert_eq!(zh, "类型应为 \"string\"");
        assert_eq!(unknown.path, ["tokn"]);
        assert_eq!(unknown.what, Mismatch::Unknown);
    }

    #[test]
    fn parameters_and_results_are_held_against_their_schemas() {
        let schemas = Schemas::of(&manifest()).unwrap();
        assert_eq!(schemas.check_params("action.go", &json!({"to": 1})), Ok(()));
        let missing = schemas.check_params("action.go", &json!({})).unwrap_err();
        assert_eq!(missing.zh, "缺少 \"to\"");
        let wrong = schemas.check_result("action.go", &json!({"n": "x"}));
        assert_eq!(wrong.unwrap_err().zh, "/n：类型应为 \"integer\"");
        assert_eq!(schemas.check_result("action.other", &json!(7)), Ok(()));
    }

    #[test]
    fn what_a_schema_wants_is_told_in_chinese_too() {
        for (schema, value, zh) in [
            (
                json!({"type": ["string", "null"]}),
                json!(7),
                "类型应为以下之一：",
            ),
            (
                json!({"enum": ["a", 1]}),
                json!(7),
                "应为以下之一：[\"a\",1]",
            ),
            (json!({"const": "a"}), json!(7), "只能是 \"a\""),
            (json!({"minimum": 8}), json!(7), "不得小于 8"),
            (json!({"exclusiveMaximum": 7}), json!(7), "应小于 7"),
            (json!({"maxLength": 1}), json!("ab"), "最多 1 个字符"),
            (json!({"minItems": 1}), json!([]), "至少 1 项"),
            (json!({"pattern": "^a$"}), json!("b"), "应符合 ^a$"),
            (json!({"uniqueItems": true}), json!([1, 1]), "各项不得重复"),
            (
                json!({"oneOf": [{"type": "null"}]}),
                json!(7),
                "不符合任何一种可选的形式",
            ),
            (json!({"not": {}}), json!(7), "不符合 schema 中的 `not`"),
            (
                json!({"properties": {"a": {}}, "additionalProperties": false}),
                json!({"b": 1}),
                "多余的字段：b",
            ),
        ] {
            let schema = compile("a", "params", &schema, &mut Looks::default()).unwrap();
            let said = fits(&schema, &value).unwrap_err();
            assert!(said.zh.starts_with(zh) && !said.en.is_empty(), "{said:?}");
        }
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
