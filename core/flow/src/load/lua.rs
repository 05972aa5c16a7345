//! The pack's Lua modules.

use std::collections::BTreeMap;

use crate::{
    diagnostic::{Problems, words},
    model::Span,
};

/// Compiles the modules that compile, and loads each once: what a module does on loading shows
/// here and not in a conversation.
pub(super) fn lua(
    sorted: &BTreeMap<&str, (u32, &str)>,
    problems: &mut Problems,
) -> tandem_lua::Program {
    let mut sources: Vec<(&str, &str)> = sorted
        .iter()
        .filter(|(path, _)| path.ends_with(".luau"))
        .map(|(path, (_, text))| (*path, *text))
        .collect();
    let report = |problems: &mut Problems, error: &tandem_lua::LuaError, path: &str, code| {
        let path = error
            .module
            .as_deref()
            .filter(|m| sorted.contains_key(m))
            .unwrap_or(path);
        let file = sorted.get(path).map_or(u32::MAX, |(file, _)| *file);
        let line = error.line.unwrap_or(1);
        let column = error.column.unwrap_or(1);
        problems.error(
            code,
            Span { file, line, column },
            words(
                format!("this Lua module cannot be used: {}", error.message),
                format!("无法使用这个 Lua 模块：{}", error.message),
            ),
            words(
                "a module is `local m = {}`, functions `function m.name(value) … end`, and `return m`",
                "模块的写法：`local m = {}`、若干 `function m.name(value) … end`，最后 `return m`",
            ),
        );
    };
    let program = match tandem_lua::Program::compile(sources.iter().copied()) {
        Ok(program) => program,
        Err(errors) => {
            for error in &errors {
                report(problems, error, "", "lua-syntax");
            }
            sources.retain(|(path, _)| !errors.iter().any(|e| e.module.as_deref() == Some(path)));
            match tandem_lua::Program::compile(sources.iter().copied()) {
                Ok(program) => program,
                Err(_) => match tandem_lua::Program::compile(std::iter::empty::<(&str, &str)>()) {
                    Ok(program) => program,
                    Err(_) => unreachable!("no modules, no errors"),
                },
            }
        }
    };
    let modules: Vec<String> = program.modules().map(str::to_owned).collect();
    for module in modules {
        if let Err(error) = program.functions(&module, &tandem_lua::Limits::default()) {
            let path = program.path(&module).unwrap_or_default().to_owned();
            report(problems, &error, &path, "lua-load");
        }
    }
    program
}
