//! `tandem check`: what is wrong with packs and configurations, without opening anything.

use std::{io::Write as _, path::PathBuf};

use anyhow::Context as _;
use serde_json::json;
use tandem_domain::{
    Locale,
    reading::{Thresholds, Trainer as _},
};
use tandem_flow::{
    diagnostic::{Diagnostic, Lang, Severity},
    model::Pack,
};
use tandem_understanding::PhraseTrainer;

use super::{Common, End, phrases};
use crate::{
    channels::Kinds,
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
    /// Learn the packs and tell the confidences they answer, ask and refuse at.
    #[arg(long)]
    thresholds: bool,
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
            let runtime = tokio::runtime::Runtime::new().context("no runtime could be started")?;
            let environment = Environment::of_process();
            let kinds = Kinds::shipped();
            let problems = runtime.block_on(Config::inspect(path, &environment, &kinds));
            let warnings = problems.iter().filter(|problem| problem.warning).count();
            let notes = problems.iter().filter(|problem| problem.note).count();
            let errors = problems.len() - warnings - notes;
            good &= errors == 0 && !(options.strict && warnings > 0);
            if common.json() {
                results.push(json!({"path": path, "problems": problems}));
            } else {
                print_config(common, &problems)?;
                summary(common, path, errors, warnings)?;
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
        let learned = loaded.pack.as_ref().filter(|_| options.thresholds);
        let learned = learned.map(learn);
        if common.json() {
            let mut result = json!({"path": path, "problems": found});
            if let Some(thresholds) = learned {
                result["thresholds"] = json!(thresholds);
            }
            results.push(result);
        } else {
            print(common, &found)?;
            summary(common, path, errors, warnings)?;
            if let Some(thresholds) = learned {
                show(common, &thresholds)?;
            }
        }
    }
    if common.json() {
        common.print_json(&json!({"ok": good, "results": results}))?;
    }
    Ok(if good { End::Well } else { End::Wrong })
}

fn learn(pack: &Pack) -> Thresholds {
    let mut set = pack.training_set();
    // Articles teach no confidence.
    set.articles.clear();
    PhraseTrainer.train(&set).thresholds()
}

fn show(common: &Common, thresholds: &Thresholds) -> anyhow::Result<()> {
    let lang = common.lang();
    let t = thresholds;
    let gap = t.clarify_gap;
    let rows = [
        (
            t.answer,
            lang.pick(
                "the likeliest meaning is taken".to_owned(),
                "采用最可能的含义".to_owned(),
            ),
        ),
        (
            t.clarify,
            lang.pick(
                format!("two meanings no further apart than {gap:.2} are asked about"),
                format!("两种含义相差不超过 {gap:.2} 时询问客户"),
            ),
        ),
        (
            t.high,
            lang.pick(
                "a wish for a person within a longer message counts".to_owned(),
                "较长消息里的转人工请求算数".to_owned(),
            ),
        ),
        (
            t.alone,
            lang.pick(
                "98 of 100 answers are right, as the pack's own phrases show".to_owned(),
                "按业务包自身的例句，100 次回答有 98 次正确".to_owned(),
            ),
        ),
        (
            t.out_of_scope,
            lang.pick(
                "how likely none of these is meant, from which on it is taken so".to_owned(),
                "“都不是”的可能性达到此值时按都不是处理".to_owned(),
            ),
        ),
    ];
    let mut out = common.out();
    writeln!(
        out,
        "  {}",
        lang.pick("From these confidences on:", "达到以下可信度时：")
    )?;
    for (confidence, meaning) in rows {
        writeln!(out, "    {confidence:.2}  {meaning}")?;
    }
    Ok(())
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
