//! `tandem channel`: makes, checks and tries channels that are one Luau file.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde_json::json;
use tandem_channel_script::{
    problem::{Problem, Severity, Words},
    script::{BUILT_IN, Loaded, load, read_pair},
    version::is_name,
};

use super::{Common, End};
use crate::lang::{Lang, Pick as _};

/// The file that `new` writes, with a place for its name.
const FILE: &str = include_str!("../../../../channels/script/new/channel.luau");
const FIXTURES: &str = include_str!("../../../../channels/script/new/channel.fixtures.jsonl");

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Write a channel file to begin with, and its fixtures.
    New(New),
    /// Look for mistakes in channel files and play their fixtures; says only what is wrong.
    Check(Files),
    /// Play the fixtures of channel files, and forgeries made of them.
    Test(Files),
}

#[derive(clap::Args, Debug)]
pub(crate) struct New {
    /// What the channel is called: lower-case letters, digits, hyphens.
    name: String,
    /// Where to write it.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Begin with a copy of this channel of the program's.
    #[arg(long)]
    from: Option<String>,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Files {
    /// Files (NAME.luau), or names of channels that come with the program.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(common: &Common, command: &Command) -> anyhow::Result<End> {
    match command {
        Command::New(options) => new(common, options),
        Command::Check(options) => play(common, options, false),
        Command::Test(options) => play(common, options, true),
    }
}

fn new(common: &Common, options: &New) -> anyhow::Result<End> {
    let lang = common.lang();
    let name = &options.name;
    if !is_name(name) {
        bail!(
            "{}",
            lang.pick(
                "a channel's name is 1 to 32 lower-case letters, digits, '-' or '_'",
                "渠道名由 1 到 32 个小写字母、数字、'-' 或 '_' 组成",
            )
        );
    }
    let Some((text, lines)) = beginning(name, options.from.as_deref()) else {
        let known: Vec<&str> = BUILT_IN.iter().map(|(name, _, _)| *name).collect();
        let known = known.join(", ");
        bail!(
            "{}",
            lang.pick(
                format!("--from takes a channel that comes with the program as a file: {known}"),
                format!("--from 须为随程序自带的渠道文件：{known}"),
            )
        );
    };
    let source = options.folder.join(format!("{name}.luau"));
    let fixtures = options.folder.join(format!("{name}.fixtures.jsonl"));
    for path in [&source, &fixtures] {
        if path.exists() {
            let path = path.display();
            bail!(
                "{}",
                lang.pick(
                    format!("{path} is there already; choose another name"),
                    format!("{path} 已存在，请换一个名字"),
                )
            );
        }
    }
    std::fs::create_dir_all(&options.folder)
        .with_context(|| format!("{} could not be made", options.folder.display()))?;
    for (path, text) in [(&source, text), (&fixtures, lines)] {
        std::fs::write(path, text)
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    if common.json() {
        common.print_json(&json!({"file": source, "fixtures": fixtures}))?;
        return Ok(End::Well);
    }
    let shown = source.display();
    let said = lang.pick(
        format!("The channel is in {shown}, its fixtures beside it. Try:"),
        format!("渠道文件为 {shown}，夹具在同一目录。试试："),
    );
    writeln!(common.out(), "{said}\n  tandem channel test {shown}")?;
    Ok(End::Well)
}

/// What a new file begins with, and its fixtures; none where there is nothing of this name to copy.
fn beginning(name: &str, from: Option<&str>) -> Option<(String, String)> {
    let Some(from) = from else {
        return Some((FILE.replace("NAME", name), FIXTURES.to_owned()));
    };
    let (_, source, fixtures) = BUILT_IN.iter().find(|(known, _, _)| *known == from)?;
    // What was received is signed as it is; what we send names the channel's own address.
    let (old, new) = (format!("/hooks/{from}/"), format!("/hooks/{name}/"));
    let lines = fixtures
        .lines()
        .map(|line| match line.contains("\"http\": [") {
            true => line.replace(&old, &new) + "\n",
            false => line.to_owned() + "\n",
        });
    Some(((*source).to_owned(), lines.collect()))
}

fn play(common: &Common, options: &Files, all: bool) -> anyhow::Result<End> {
    let runtime = tokio::runtime::Runtime::new().context("no runtime could be started")?;
    let runner = tandem_lua::Runner::new(2);
    let mut good = true;
    let mut results = Vec::new();
    for path in &options.files {
        let (name, source, fixtures) = match read(common.lang(), path)? {
            Ok(read) => read,
            Err(problem) => {
                good = false;
                results.push(json!({"file": path, "problems": [problem]}));
                if !common.json() {
                    print(common, &[*problem], "")?;
                }
                continue;
            }
        };
        let loaded = runtime.block_on(load(&name, &source, fixtures.as_deref(), &runner));
        good &= loaded.version.is_some();
        if common.json() {
            results.push(json!({
                "file": path, "problems": loaded.problems, "fixtures": loaded.cases,
            }));
            continue;
        }
        if all {
            tell(common, &loaded)?;
        }
        print(common, &loaded.problems, &source)?;
        sum_up(common, path, &loaded)?;
    }
    if common.json() {
        common.print_json(&json!({"ok": good, "results": results}))?;
    }
    Ok(if good { End::Well } else { End::Wrong })
}

type Read = (String, String, Option<String>);

/// Name, source and fixtures of a file; or of one that comes with the program.
fn read(lang: Lang, path: &Path) -> anyhow::Result<Result<Read, Box<Problem>>> {
    let built_in = path.to_str().and_then(|text| {
        let found = BUILT_IN.iter().find(|(name, _, _)| *name == text);
        found.map(|(name, source, fixtures)| {
            let fixtures = Some((*fixtures).to_owned());
            ((*name).to_owned(), (*source).to_owned(), fixtures)
        })
    });
    if let Some(read) = built_in.filter(|_| !path.exists()) {
        return Ok(Ok(read));
    }
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let luau = path.extension().is_some_and(|ending| ending == "luau");
    let Some(stem) = stem.filter(|_| luau) else {
        let known: Vec<&str> = BUILT_IN.iter().map(|(name, _, _)| *name).collect();
        let (path, known) = (path.display(), known.join(", "));
        bail!(
            "{}",
            lang.pick(
                format!("{path} is no channel file; write NAME.luau, or one of: {known}"),
                format!("{path} 不是渠道文件；请写 NAME.luau，或下列之一：{known}"),
            )
        );
    };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let read = read_pair(folder.unwrap_or(Path::new(".")), stem);
    Ok(read.map(|(source, fixtures)| (stem.to_owned(), source, fixtures)))
}

/// Every fixture with how it went.
fn tell(common: &Common, loaded: &Loaded) -> anyhow::Result<()> {
    let lang = common.lang();
    let mut out = common.out();
    for case in &loaded.cases {
        let mark = match case.failures.is_empty() {
            true => "\x1b[32m✓\x1b[0m",
            false => "\x1b[1;31m✗\x1b[0m",
        };
        let derived = match case.derived {
            0 => String::new(),
            count => lang.pick(
                format!("  ({count} forgeries of it were tried)"),
                format!("（另试了 {count} 个伪造请求）"),
            ),
        };
        writeln!(out, "{mark} {}{derived}", case.name)?;
    }
    Ok(())
}

fn sum_up(common: &Common, path: &Path, loaded: &Loaded) -> anyhow::Result<()> {
    let path = path.display();
    let errors = loaded.problems.iter().filter(|p| p.is_error()).count();
    let (cases, warnings) = (loaded.cases.len(), loaded.problems.len() - errors);
    let mark = match (errors, warnings) {
        (0, 0) => "\x1b[32m✓\x1b[0m",
        (0, _) => "\x1b[33m!\x1b[0m",
        _ => "\x1b[1;31m✗\x1b[0m",
    };
    let s = |n: usize| if n == 1 { "" } else { "s" };
    let said = common.lang().pick(
        format!(
            "{path}: {cases} fixture{}, {errors} error{}, {warnings} warning{}",
            s(cases),
            s(errors),
            s(warnings)
        ),
        format!("{path}：{cases} 个夹具，{errors} 个错误，{warnings} 个警告"),
    );
    writeln!(common.out(), "{mark} {said}")?;
    Ok(())
}

/// Problems of a channel's file, with the line they are on where it is of this source.
pub(super) fn print(common: &Common, problems: &[Problem], source: &str) -> anyhow::Result<()> {
    if common.json() {
        return common.print_json(&problems);
    }
    let lang = common.lang();
    let said = |words: &Words| match lang {
        Lang::En => words.en.clone(),
        Lang::Zh => words.zh.clone(),
    };
    let mut out = common.out();
    for problem in problems {
        let (word, tone) = match problem.severity {
            Severity::Error => (lang.pick("error", "错误"), "1;31"),
            Severity::Warning => (lang.pick("warning", "警告"), "1;33"),
        };
        let (code, message) = (problem.code, plain(&said(&problem.message)));
        writeln!(
            out,
            "\x1b[{tone}m{word}[{code}]\x1b[0m: \x1b[1m{message}\x1b[0m"
        )?;
        let file = &problem.file;
        match problem.line {
            0 => writeln!(out, " \x1b[1;34m-->\x1b[0m {file}")?,
            line => writeln!(out, " \x1b[1;34m-->\x1b[0m {file}:{line}")?,
        }
        let line = usize::try_from(problem.line).unwrap_or(0);
        let shown = source.lines().nth(line.wrapping_sub(1));
        if let Some(text) = shown.filter(|_| file.ends_with(".luau")) {
            writeln!(out, "\x1b[1;34m{line} |\x1b[0m {}", plain(text))?;
        }
        if let Some(hint) = &problem.hint {
            let help = lang.pick("help", "提示");
            writeln!(out, " = {help}: {}", plain(&said(hint)))?;
        }
    }
    Ok(())
}

/// Without control characters of the file, and not longer than a screen is wide thrice.
fn plain(text: &str) -> String {
    let clean = text.trim_end().chars().take(400);
    clean
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_new_file_and_a_copy_of_a_shipped_one_pass_as_written() {
        for from in [None, Some("line"), Some("twilio")] {
            let (source, fixtures) = beginning("mine", from).unwrap();
            let runner = tandem_lua::Runner::new(2);
            let loaded = load("mine", &source, Some(&fixtures), &runner).await;
            assert_eq!(loaded.problems, [], "{from:?}");
        }
        assert_eq!(beginning("mine", Some("pigeon")), None);
    }
}
