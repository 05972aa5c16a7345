//! From text and environment to settings, with every mistake collected.

use std::path::Path;

use super::{
    Config, Diagnostic, Environment, check, env,
    problem::{Fault, Problem},
    read,
    tree::Node,
};
use crate::channels::Kinds;

/// Longest configuration that is read, in bytes.
pub(super) const LONGEST: u64 = 1024 * 1024;
/// Mistakes told at once.
pub(super) const MOST: usize = 50;

/// The text of a configuration file.
///
/// # Errors
/// When it cannot be read, or is more than is read.
pub(super) fn file_text(path: &Path) -> Result<String, Fault> {
    let unreadable = |error: std::io::Error| Fault::File(error.to_string());
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > LONGEST {
        return Err(Fault::File("it is larger than 1 MB".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| Fault::File("it is not UTF-8 text".to_owned()))
}

/// As much as is told at once.
pub(super) fn told(problems: &[Problem], text: &str, file: &str) -> Vec<Diagnostic> {
    let first = problems.iter().take(MOST);
    first
        .map(|problem| Diagnostic::new(problem, text, file))
        .collect()
}

/// Settings that a server can be started with.
pub(super) fn settle(text: &str, env: &Environment, kinds: &Kinds) -> Result<Config, Vec<Problem>> {
    let (config, tree) = gather(text, env)?;
    let problems = check::sense(&config, &tree, kinds);
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

/// Text and environment to settings, collecting mistakes: what is wrong is taken out and the rest
/// is read again.
pub(super) fn gather(text: &str, env: &Environment) -> Result<(Config, Node), Vec<Problem>> {
    let mut tree = check::tree(text).map_err(|problem| vec![problem])?;
    let mut problems = env::apply(&mut tree, env);
    let whole = tree.clone();
    let mut removed: Vec<Vec<String>> = Vec::new();
    let config = loop {
        let problem = match read::read::<Config>(&tree) {
            Ok(config) => break Some(config),
            Err(problem) => problem,
        };
        let mut path = problem.path.clone();
        let follows = match &problem.fault {
            Fault::Missing(key) => {
                let mut missing = path.clone();
                missing.push(key.clone());
                removed.contains(&missing)
            }
            _ => false,
        };
        if !follows {
            problems.push(problem);
        }
        // An entry of a list leaves its place to the next one: the whole list goes.
        if let Some(at) = path.iter().position(|step| step.parse::<usize>().is_ok()) {
            path.truncate(at);
        }
        if problems.len() >= MOST || !tree.remove(&path) {
            break None;
        }
        removed.push(path);
    };
    match config {
        Some(config) if problems.is_empty() => Ok((config, whole)),
        _ => Err(problems),
    }
}
