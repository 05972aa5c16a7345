//! What a plugin promises to flows: its manifest, kept in the pack as `plugins/NAME.json`, so that
//! `check` knows its methods where the plugin itself is not.
//!
//! [`Schema`] answers what a checker may ask of a JSON Schema and only what is certain: whatever it
//! does not understand fits.

mod fit;
mod luau;
mod schema;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub(crate) use fit::{Fault, Given, Kind, faults};
pub use schema::{Fields, Schema};

use crate::model::Span;

/// The folder of a pack's contracts.
pub(crate) const FOLDER: &str = "plugins/";
/// Largest file of a contract, in bytes.
pub(crate) const FILE_MAX: usize = 256 << 10;
const METHODS_MAX: usize = 256;
const ERRORS_MAX: usize = 50;
/// The longest a call may take, in milliseconds: ten minutes.
pub(crate) const TIMEOUT_MAX_MS: u64 = 600_000;
/// What methods that flows may call begin with in a manifest.
const ACTION: &str = "action.";

/// A plugin as a pack knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    pub plugin: String,
    pub version: String,
    /// By the name flows use: `track` for the manifest's `action.track`.
    pub methods: BTreeMap<String, Method>,
    pub span: Span,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Method {
    /// Of what `with` holds.
    pub params: Option<Schema>,
    /// Of what `save` keeps.
    pub result: Option<Schema>,
    /// How long a call may take where the step does not say.
    pub timeout_ms: Option<u64>,
    /// The same idempotency key twice does it once, so that a write may be repeated.
    pub idempotent: bool,
    /// The codes of its own it fails with, and what each means; `None` where nothing is said.
    pub errors: Option<BTreeMap<String, String>>,
}

/// The plugin whose contract a file of a pack is.
pub(crate) fn of_path(path: &str) -> Option<&str> {
    let name = path.strip_prefix(FOLDER)?.strip_suffix(".json")?;
    (!name.contains('/')).then_some(name)
}

/// Whether a plugin may be called so.
pub(crate) fn is_plugin_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// Whether a call may fail with this code, and a flow choose by it.
pub(crate) fn is_error_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// A manifest, as far as flows need it; a field of a newer one is passed over.
#[derive(Deserialize)]
struct Manifest {
    name: String,
    version: String,
    methods: BTreeMap<String, Spec>,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    params: Option<Value>,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    idempotent: bool,
    #[serde(default)]
    errors: Option<BTreeMap<String, String>>,
}

/// What is wrong with a contract, and where: a line and a column from 1.
#[derive(Debug)]
pub(crate) struct Bad {
    pub line: u32,
    pub column: u32,
    pub en: String,
    pub zh: String,
}

impl Contract {
    /// Reads the contract of `plugin`.
    pub(crate) fn read(plugin: &str, text: &str, span: Span) -> Result<Self, Bad> {
        let bad = |word: &str, en: String, zh: String| {
            let (line, column) = place(text, word);
            Bad {
                line,
                column,
                en,
                zh,
            }
        };
        if text.len() > FILE_MAX {
            return Err(bad(
                "",
                format!("a contract has at most {} kB", FILE_MAX >> 10),
                format!("插件契约最多 {} kB", FILE_MAX >> 10),
            ));
        }
        if !is_plugin_name(plugin) {
            return Err(bad(
                "",
                format!(
                    "`{plugin}` is no name of a plugin: small letters, digits, `_` and `-`, a letter first"
                ),
                format!("`{plugin}` 不能作为插件名：应为小写字母、数字、`_` 或 `-`，且以字母开头"),
            ));
        }
        let manifest: Manifest = serde_json::from_str(text).map_err(|error| {
            let (line, column) = error_place(text, &error);
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or(&said);
            Bad {
                line,
                column,
                en: format!("this is no manifest of a plugin: {said}"),
                zh: format!("这不是插件的清单：{said}"),
            }
        })?;
        if manifest.name != plugin {
            let name: String = manifest.name.chars().take(80).collect();
            return Err(bad(
                "name",
                format!("the file is `{plugin}`'s, and the manifest calls itself `{name}`"),
                format!("文件名是 `{plugin}`，清单中的名称却是 `{name}`"),
            ));
        }
        if manifest.methods.len() > METHODS_MAX {
            return Err(bad(
                "methods",
                format!("a plugin has at most {METHODS_MAX} methods"),
                format!("一个插件最多 {METHODS_MAX} 个方法"),
            ));
        }
        let mut methods = BTreeMap::new();
        for (name, spec) in manifest.methods {
            if let Some(ms) = spec
                .timeout_ms
                .filter(|ms| !(1..=TIMEOUT_MAX_MS).contains(ms))
            {
                return Err(bad(
                    &name,
                    format!("`timeout_ms` is {ms}; 1 to {TIMEOUT_MAX_MS} are possible"),
                    format!("`timeout_ms` 为 {ms}，应为 1 至 {TIMEOUT_MAX_MS}"),
                ));
            }
            for (what, schema) in [("params", &spec.params), ("result", &spec.result)] {
                if schema
                    .as_ref()
                    .is_some_and(|s| !s.is_object() && !s.is_boolean())
                {
                    return Err(bad(
                        &name,
                        format!("`{what}` of `{name}` is no JSON Schema"),
                        format!("`{name}` 的 `{what}` 不是 JSON Schema"),
                    ));
                }
            }
            let codes = spec.errors.iter().flat_map(BTreeMap::keys);
            if let Some(code) = codes.clone().find(|code| !is_error_code(code)) {
                let shown: String = code.chars().take(80).collect();
                return Err(bad(
                    code,
                    format!(
                        "{shown:?} of `{name}` is no error code: 1 to 64 letters, digits, `_`, `-` and `.`"
                    ),
                    format!(
                        "`{name}` 的 {shown:?} 不是错误码：应为 1 至 64 个字母、数字、`_`、`-` 或 `.`"
                    ),
                ));
            }
            if codes.count() > ERRORS_MAX {
                return Err(bad(
                    &name,
                    format!("`{name}` has more than {ERRORS_MAX} error codes"),
                    format!("`{name}` 的错误码超过 {ERRORS_MAX} 个"),
                ));
            }
            // The rest of a manifest is between the plugin and the server.
            if let Some(called) = name.strip_prefix(ACTION) {
                methods.insert(
                    called.to_owned(),
                    Method {
                        params: spec.params.map(Schema::new),
                        result: spec.result.map(Schema::new),
                        timeout_ms: spec.timeout_ms,
                        idempotent: spec.idempotent,
                        errors: spec.errors,
                    },
                );
            }
        }
        Ok(Self {
            plugin: manifest.name,
            version: manifest.version.chars().take(64).collect(),
            methods,
            span,
        })
    }
}

/// Where a key stands in the file; its beginning for a key that does not.
fn place(text: &str, key: &str) -> (u32, u32) {
    let at = if key.is_empty() {
        None
    } else {
        text.find(&format!("\"{key}\""))
    };
    at.map_or((1, 1), |at| line_column(text, at))
}

fn error_place(text: &str, error: &serde_json::Error) -> (u32, u32) {
    let line = error.line().max(1);
    let whole = text.split('\n').nth(line - 1).unwrap_or_default();
    let mut bytes = error.column().saturating_sub(1).min(whole.len());
    while !whole.is_char_boundary(bytes) {
        bytes -= 1;
    }
    let column = whole[..bytes].chars().count() + 1;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(line), number(column))
}

/// Line and column of a byte, from 1; columns in characters.
pub(crate) fn line_column(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(line), number(column))
}

#[cfg(test)]
mod tests;
