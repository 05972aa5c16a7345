//! A pack's Lua modules, compiled.

use std::{collections::BTreeMap, sync::Arc};

use mlua::{Value as LuaValue, chunk::Compiler};
use serde::{Deserialize, Serialize};
use tandem_domain::Timestamp;

use crate::{
    Limits, LuaError,
    error::ErrorKind,
    pure::locate,
    sandbox::{Logs, State},
    watch::Watch,
};

/// Largest source of one module, in bytes.
const SOURCE_MAX: usize = 512 << 10;

/// What runs before a pack's own code in every state.
const PRELUDE: &str = include_str!("prelude.luau");

/// The modules of one version of a pack. Cheap to clone; every state starts from its bytecode.
#[derive(Clone, Debug)]
pub struct Program(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    prelude: Vec<u8>,
    modules: BTreeMap<String, Module>,
}

#[derive(Debug)]
struct Module {
    path: String,
    bytecode: Vec<u8>,
}

/// A function a module exports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    pub name: String,
    /// Where it is defined, if it is written in Lua.
    pub line: Option<u32>,
    pub params: u8,
}

impl Program {
    /// Compiles modules given as (path in the pack, source): `orders.luau` becomes the module
    /// `orders`, `lib/dates.luau` the module `lib/dates`. Gives every error it finds: sources that
    /// do not compile (one error each: file, line, column), paths no module can have, two files
    /// for one module.
    pub fn compile<P, S>(files: impl IntoIterator<Item = (P, S)>) -> Result<Self, Vec<LuaError>>
    where
        P: AsRef<str>,
        S: AsRef<str>,
    {
        let compiler = compiler();
        let mut modules: BTreeMap<String, Module> = BTreeMap::new();
        let mut errors = Vec::new();
        for (path, source) in files {
            let path = path.as_ref();
            let at = |kind, text: String| LuaError::new(kind, text).at(path, None);
            let Some(name) = module_name(path) else {
                errors.push(at(ErrorKind::Syntax, "no module can have this path".into()));
                continue;
            };
            if let Some(other) = modules.get(&name) {
                let text = format!("{} is the module {name} already", other.path);
                errors.push(at(ErrorKind::Syntax, text));
                continue;
            }
            match compile(&compiler, path, source.as_ref()) {
                Ok(bytecode) => {
                    let path = path.to_owned();
                    modules.insert(name, Module { path, bytecode });
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let prelude = Compiler::new()
            .compile(PRELUDE)
            .map_err(|e| vec![LuaError::new(ErrorKind::Syntax, e.to_string())])?;
        Ok(Self(Arc::new(Inner { prelude, modules })))
    }

    /// The modules' names, sorted.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.0.modules.keys().map(String::as_str)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.modules.is_empty()
    }

    #[must_use]
    pub fn has_module(&self, name: &str) -> bool {
        self.0.modules.contains_key(name)
    }

    /// The file of a module, relative to the pack.
    #[must_use]
    pub fn path(&self, module: &str) -> Option<&str> {
        self.0.modules.get(module).map(|m| m.path.as_str())
    }

    /// The functions a module exports, by name: it is loaded in a sandbox of its own, under
    /// `limits`. Fails as loading fails, or when the module returns no table.
    pub fn functions(&self, module: &str, limits: &Limits) -> Result<Vec<Function>, LuaError> {
        let state = State::new(self, limits, Logs::dropped(), Watch::new())?;
        let table = state
            .timed(limits, Timestamp(0), 0, |state| state.module(module))
            .map_err(|error| locate(error, self, module))?;
        let mut functions = Vec::new();
        for pair in table.pairs::<LuaValue, LuaValue>() {
            let Ok((LuaValue::String(name), LuaValue::Function(function))) = pair else {
                continue;
            };
            let info = function.info();
            functions.push(Function {
                name: name.to_string_lossy(),
                line: info.line_defined.and_then(|line| u32::try_from(line).ok()),
                params: info.num_params,
            });
        }
        functions.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(functions)
    }

    /// Whether a module has this file.
    pub(crate) fn has_path(&self, path: &str) -> bool {
        module_name(path)
            .and_then(|name| self.path(&name))
            .is_some_and(|own| own == path)
    }

    pub(crate) fn prelude(&self) -> &[u8] {
        &self.0.prelude
    }

    pub(crate) fn bytecode(&self, module: &str) -> Option<(&str, &[u8])> {
        let module = self.0.modules.get(module)?;
        Some((&module.path, &module.bytecode))
    }

    /// The module a `require` names, seen from the file `from`: from the pack's root, or beside
    /// the caller after `./`. Never leaves the pack.
    pub(crate) fn resolve(&self, from: &str, name: &str) -> Result<String, String> {
        let refused = || format!("cannot require {name:?}: name a module of this pack");
        if name.len() > 200 {
            return Err("cannot require a name this long".to_owned());
        }
        let (base, rest) = match name.strip_prefix("./") {
            Some(rest) => (from.rsplit_once('/').map(|(folder, _)| folder), rest),
            None => (None, name),
        };
        let rest = rest
            .strip_suffix(".luau")
            .or_else(|| rest.strip_suffix(".lua"))
            .unwrap_or(rest);
        let rest = if rest.contains('/') {
            rest.to_owned()
        } else {
            rest.replace('.', "/")
        };
        if !valid_name(&rest) {
            return Err(refused());
        }
        let full = match base {
            Some(folder) => format!("{folder}/{rest}"),
            None => rest,
        };
        if self.has_module(&full) {
            Ok(full)
        } else {
            Err(format!("there is no module {full} in this pack"))
        }
    }
}

fn compiler() -> Compiler {
    // `tostring` is replaced in the sandbox; as a builtin the compiler would go around it.
    Compiler::new()
        .set_optimization_level(1)
        .set_debug_level(1)
        .set_disabled_builtins(["tostring"])
}

/// `lib/dates.luau` → `lib/dates`.
fn module_name(path: &str) -> Option<String> {
    let stem = path
        .strip_suffix(".luau")
        .or_else(|| path.strip_suffix(".lua"))
        .unwrap_or(path);
    valid_name(stem).then(|| stem.to_owned())
}

/// Segments of plain characters; no empty one, no `.` or `..`.
fn valid_name(name: &str) -> bool {
    name.len() <= 200
        && name.split('/').all(|segment| {
            !segment.is_empty()
                && segment
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        })
}

fn compile(compiler: &Compiler, path: &str, source: &str) -> Result<Vec<u8>, LuaError> {
    if source.len() > SOURCE_MAX {
        let text = format!("the file is larger than {} kB", SOURCE_MAX >> 10);
        return Err(LuaError::new(ErrorKind::Syntax, text).at(path, None));
    }
    // A byte order mark is no part of the source.
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    compiler.compile(source).map_err(|error| {
        let text = match error {
            mlua::Error::SyntaxError { message, .. } => message,
            other => other.to_string(),
        };
        let (line, message) = match text.split_once(": ") {
            Some((line, rest)) => (line.trim_start_matches(':').parse().ok(), rest),
            None => (None, text.as_str()),
        };
        let mut error = LuaError::new(ErrorKind::Syntax, message).at(path, line);
        error.column = line.and_then(|line| column(source, line, message));
        error
    })
}

/// The compiler names the line only; the column is that of the word it quotes, else of the line's
/// first character.
fn column(source: &str, line: u32, message: &str) -> Option<u32> {
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    let text = source.lines().nth(index)?;
    let quoted = message.rsplit('\'').nth(1).filter(|word| !word.is_empty());
    let byte = quoted
        .and_then(|word| text.rfind(word))
        .unwrap_or_else(|| text.len() - text.trim_start().len());
    u32::try_from(text[..byte].chars().count() + 1).ok()
}
