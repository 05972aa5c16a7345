//! `tandem check`: what is wrong with packs and configurations, without opening anything.

use std::{io::Write as _, path::PathBuf};

use serde_json::json;
use tandem_domain::Locale;
use tandem_flow::diagnostic::{Diagnostic, Lang, Severity};

use super::{Common, End, phrases};
use crate::{
    config::{self, Config, Environment},
    lang::Pick as _,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Pack folders and configuration files; the folder we stand in when left out.
    paths: Vec<PathBuf>,
    /// Count warnings as errors.
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    let here = [PathBuf::from(".")];
    let paths = if options.paths.is_empty() {
        &here[..]
    } else {
        &options.paths
    };
    let mut good = true;
    let mut results = Vec::new();
    for path in paths {
        if path.is_file() {
            let problems = Config::load(Some(path), &Environment::of_process())
                .err()
                .unwrap_or_default();
            good &= problems.is_empty();
            if common.json() {
                results.push(json!({"path": path, "problems": problems}));
            } else {
                print_config(common, &problems)?;
                summary(common, path, problems.len(), 0)?;
            }
            continue;
        }
        let loaded = tandem_flow::load::load_dir(path);
        let mut found = loaded.diagnostics;
        if let Some(pack) = &loaded.pack {
            found.extend(phrases::check(pack));
        }
        let errors = found.iter().filter(|d| is_error(d)).count();
        let warnings = found
            .iter()
            .filter(|d| d.severity == Severity::Warning)
            .count();
        good &= errors == 0 && !(options.strict && warnings > 0);
        if common.json() {
            results.push(json!({"path": path, "problems": found}));
        } else {
            print(common, &found)?;
            summary(common, path, errors, warnings)?;
        }
    }
    if common.json() {
        common.print_json(&json!({"ok": good, "results": results}))?;
    }
    Ok(if good { End::Well } else { End::Wrong })
}

fn summary(
    common: &Common,
    path: &std::path::Path,
    errors: usize,
    warnings: usize,
) -> anyhow::Result<()> {
    let path = path.display();
    let lang = common.lang();
    let mut out = common.out();
    if errors == 0 && warnings == 0 {
        writeln!(
            out,
            "\x1b[32m✓\x1b[0m {}",
            lang.pick(format!("{path}: no problems"), format!("{path}：没有问题"))
        )?;
    } else {
        let mark = if errors > 0 {
            "\x1b[1;31m✗\x1b[0m"
        } else {
            "\x1b[33m!\x1b[0m"
        };
        let s = |n: usize| if n == 1 { "" } else { "s" };
        writeln!(
            out,
            "{mark} {}",
            lang.pick(
                format!(
                    "{path}: {errors} error{}, {warnings} warning{}",
                    s(errors),
                    s(warnings)
                ),
                format!("{path}：{errors} 个错误，{warnings} 个警告"),
            )
        )?;
    }
    Ok(())
}

fn is_error(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Error
}

/// Problems of a pack, as people or programs read them.
pub(crate) fn print(common: &Common, found: &[Diagnostic]) -> anyhow::Result<()> {
    if common.json() {
        return common.print_json(&found);
    }
    let (lang, color) = (common.lang(), common.colored());
    let mut out = common.out();
    for diagnostic in found {
        writeln!(out, "{}", diagnostic.render_human(lang, color))?;
    }
    Ok(())
}

/// Problems of a configuration.
pub(crate) fn print_config(common: &Common, found: &[config::Diagnostic]) -> anyhow::Result<()> {
    if common.json() {
        return common.print_json(&found);
    }
    let locale = Locale::new(match common.lang() {
        Lang::En => "en",
        Lang::Zh => "zh",
    });
    let mut out = common.out();
    for diagnostic in found {
        writeln!(out, "{}", diagnostic.render(&locale))?;
    }
    Ok(())
}
