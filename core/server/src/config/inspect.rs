//! What a configuration names outside of itself: the files of channels with the settings they ask
//! for, and the places where secrets are kept. Looked at as a start would, all at once.

use std::path::Path;

use tandem_channel_script::{
    kind::BadFile,
    problem::{Problem as Mistake, Words},
    script::{load, read_pair},
};
use tandem_flow::diagnostic::Severity;
use tandem_lua::Runner;

use super::{
    Config, Environment, Secret, SecretError,
    problem::{Fault, Named, Problem},
    tree::{Node, Value},
};
use crate::channels::Kinds;

/// Mistakes told of one channel's file; `tandem channel check` tells all.
const TOLD: usize = 5;

/// Reads every channel's file, plays its fixtures and fits the accounts to it. Relative paths
/// start from `folder`.
pub(super) async fn files(
    config: &Config,
    tree: &Node,
    folder: &Path,
    kinds: &Kinds,
) -> Vec<Problem> {
    let runner = Runner::new(2);
    let mut found = Vec::new();
    for (name, other) in &config.channels.others {
        let Some(file) = &other.file else { continue };
        let file = folder.join(file);
        let path = ["channels", name, "file"].map(str::to_owned).to_vec();
        let place = tree.place_of(&path);
        let mut say = |fault| found.push(Problem::at(fault, place.clone(), path.clone()));
        let kind = match kinds.of_file(&file) {
            Ok(kind) => kind,
            Err(error) => {
                match error.downcast_ref::<BadFile>() {
                    Some(bad) => mistakes(&bad.problems, &file).into_iter().for_each(say),
                    None => say(wrong(
                        Severity::Error,
                        (error.to_string(), error.to_string()),
                        None,
                    )),
                }
                continue;
            }
        };
        mistakes(&play(&file, &runner).await, &file)
            .into_iter()
            .for_each(say);
        for (account, settings) in &other.accounts {
            for complaint in kind.check(&settings.settings) {
                let mut path = ["channels", name, "accounts", account]
                    .map(str::to_owned)
                    .to_vec();
                path.extend(complaint.path);
                let fault = Fault::Value {
                    en: complaint.en,
                    zh: complaint.zh,
                };
                found.push(Problem::at(fault, tree.place_of(&path), path));
            }
        }
    }
    found
}

/// What is wrong with a file that can be read, and with its fixtures.
async fn play(file: &Path, runner: &Runner) -> Vec<Mistake> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let folder = file.parent().unwrap_or(Path::new(""));
    match read_pair(folder, &name) {
        Ok((source, fixtures)) => {
            let loaded = load(&name, &source, fixtures.as_deref(), runner).await;
            loaded.problems
        }
        Err(problem) => vec![*problem],
    }
}

/// The first mistakes of a channel's file, and how many more there are.
fn mistakes(all: &[Mistake], file: &Path) -> Vec<Fault> {
    let mut faults: Vec<Fault> = all
        .iter()
        .take(TOLD)
        .map(|mistake| {
            let place = match mistake.line {
                0 => mistake.file.clone(),
                line => format!("{}:{line}", mistake.file),
            };
            let Words { en, zh } = &mistake.message;
            let words = (format!("{place}: {en}"), format!("{place}：{zh}"));
            let hint = mistake.hint.clone().map(|hint| (hint.en, hint.zh));
            let severity = match mistake.is_error() {
                true => Severity::Error,
                false => Severity::Warning,
            };
            wrong(severity, words, hint)
        })
        .collect();
    let more = all.len().saturating_sub(TOLD);
    if more > 0 {
        let all = format!("tandem channel check {}", file.display());
        let words = (
            format!("the file has {more} more problems; all of them: {all}"),
            format!("该文件还有 {more} 个问题；查看全部：{all}"),
        );
        faults.push(wrong(Severity::Error, words, None));
    }
    faults
}

fn wrong(severity: Severity, words: (String, String), hint: Option<(String, String)>) -> Fault {
    Fault::Named(Box::new(Named {
        code: "config.channel",
        severity,
        words,
        hint,
    }))
}

/// Secrets that are not where the configuration says: warnings, since they may be there where the
/// server runs.
pub(super) fn secrets(tree: &Node, folder: &Path, env: &Environment) -> Vec<Problem> {
    let mut kept = Vec::new();
    if let Some(channels) = tree.get("channels") {
        for (channel, node) in entries(channels) {
            if let Some(accounts) = node.get("accounts") {
                let path = ["channels", &channel, "accounts"].map(str::to_owned);
                references(accounts, &path, &mut kept);
            }
        }
    }
    for top in ["api", "plugins", "secrets", "understanding"] {
        if let Some(node) = tree.get(top) {
            references(node, &[top.to_owned()], &mut kept);
        }
    }
    let missing = kept.into_iter().filter_map(|(path, mut secret)| {
        secret.rebase(folder);
        let words = absent(&secret.resolve(env).err()?);
        let fault = Fault::Named(Box::new(Named {
            code: "config.secret",
            severity: Severity::Warning,
            words,
            hint: None,
        }));
        Some(Problem::at(fault, tree.place_of(&path), path))
    });
    missing.collect()
}

fn absent(error: &SecretError) -> (String, String) {
    (
        format!("{error} here; the server needs it when it starts"),
        format!("此处{}；服务器启动时需要它", error.zh()),
    )
}

/// Every place below where a secret is named.
fn references(node: &Node, path: &[String], kept: &mut Vec<(Vec<String>, Secret)>) {
    let inner = entries(node);
    if let [(key, only)] = &inner[..]
        && let Value::Text(text) = &only.value
    {
        let secret = match key.as_str() {
            "env" => Some(Secret::Env(text.clone())),
            "file" => Some(Secret::File(text.into())),
            _ => None,
        };
        if let Some(secret) = secret {
            kept.push((path.to_vec(), secret));
            return;
        }
    }
    for (step, inner) in inner {
        let path: Vec<String> = path.iter().cloned().chain([step]).collect();
        references(inner, &path, kept);
    }
}

/// What is inside, with the step that leads to it.
fn entries(node: &Node) -> Vec<(String, &Node)> {
    match &node.value {
        Value::Map(entries) => entries.iter().map(|e| (e.key.clone(), &e.node)).collect(),
        Value::List(items) => (0..).map(|at: usize| at.to_string()).zip(items).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use tandem_channel_script::script::BUILT_IN;

    use super::*;
    use crate::config::Diagnostic;

    /// What is found in this configuration, beside a copy of a channel's file changed like this.
    async fn found(settings: &str, from: &str, to: &str) -> Vec<Diagnostic> {
        let folder = tempfile::tempdir().unwrap();
        let (_, source, fixtures) = BUILT_IN.iter().find(|(name, ..)| *name == "line").unwrap();
        assert!(source.contains(from));
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("mine.luau"), source.replace(from, to)).unwrap();
        std::fs::write(file("mine.fixtures.jsonl"), fixtures).unwrap();
        let text = format!(
            "workspaces: {{default: {{pack: .}}}}\nchannels:\n  mine:\n    file: mine.luau\n    accounts:\n      shop:\n{settings}"
        );
        std::fs::write(file("tandem.yaml"), text).unwrap();
        let env = Environment::from([("KEY", "k"), ("TOKEN", "t")]);
        Config::inspect(&file("tandem.yaml"), &env, &Kinds::shipped()).await
    }

    const GOOD: &str =
        "        channel_secret: {env: KEY}\n        channel_access_token: {env: TOKEN}\n";

    #[tokio::test]
    async fn a_channels_file_and_its_accounts_are_looked_at() {
        assert_eq!(found(GOOD, "return", "return").await, []);
        let wrong = GOOD.replace("channel_secret", "chanel_secret") + "        body_limit: 3\n";
        let told = found(&wrong, "return", "return").await;
        let mut said: Vec<_> = told
            .iter()
            .map(|d| (d.setting.rsplit('.').next().unwrap(), d.line, d.warning))
            .collect();
        said.sort_unstable();
        let expected = [
            ("body_limit", Some(9), false),
            ("chanel_secret", Some(7), false),
            ("channel_secret", Some(7), false),
        ];
        assert_eq!(said, expected, "{told:#?}");
    }

    #[tokio::test]
    async fn mistakes_in_the_file_itself_are_told_where_it_is_named() {
        let told = found(GOOD, "batch_max", "batch_maxx").await;
        let [one] = &told[..] else {
            panic!("{told:#?}")
        };
        assert_eq!((one.code, one.line), ("config.channel", Some(4)));
        assert!(
            one.to_string().contains("did you mean `batch_max`"),
            "{one}"
        );
        // One that only its fixtures show.
        let told = found(GOOD, "hmac_sha256", "hmac_sha512").await;
        assert!(told.len() == TOLD + 1 && !told[0].warning, "{told:#?}");
        let last = told[TOLD].to_string();
        assert!(last.contains("tandem channel check"), "{last}");
    }

    #[tokio::test]
    async fn a_secret_that_is_not_there_is_a_warning() {
        let settings = GOOD
            .replace("KEY", "NO_KEY")
            .replace("env: TOKEN", "file: no.key");
        let told = found(&settings, "return", "return").await;
        assert!(told.iter().all(|d| d.warning), "{told:#?}");
        let lines: Vec<_> = told.iter().map(|d| d.line).collect();
        assert_eq!(lines, [Some(7), Some(8)]);
        let said = told[0].to_string();
        assert!(
            said.contains("warning: the environment variable NO_KEY is not set here"),
            "{said}"
        );
    }
}
