//! A channel's file on disk (or in the program) and the version of it that is live.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
};

use arc_swap::ArcSwap;
use tandem_lua::Runner;

use crate::{
    account::{Ready, Shared},
    fixture::{self, Case},
    problem::{Problem, Words, usable, words},
    version::Version,
};

/// Bytes of a file.
const SOURCE_MAX: u64 = 512 << 10;
/// Errors of a file that the log tells.
const TOLD: usize = 3;
/// Bytes of its fixtures.
const FIXTURES_MAX: u64 = 4 << 20;

/// A file beside this crate, with its fixtures.
macro_rules! built_in {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../files/", $name, ".luau")),
            include_str!(concat!("../files/", $name, ".fixtures.jsonl")),
        )
    };
}

/// The files that come with the program: name, source, fixtures.
pub const BUILT_IN: &[(&str, &str, &str)] = &[
    built_in!("dingtalk"),
    built_in!("douyin"),
    built_in!("feishu"),
    built_in!("line"),
    built_in!("messenger"),
    built_in!("qq"),
    built_in!("slack"),
    built_in!("twilio"),
    built_in!("viber"),
    built_in!("webhook"),
    built_in!("whatsapp"),
];

/// What reading a file, and running its fixtures, gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// None where something of it is an error.
    pub version: Option<Version>,
    pub problems: Vec<Problem>,
    pub cases: Vec<Case>,
}

/// Reads a file and plays its fixtures. Without fixtures nothing is loaded.
pub async fn load(name: &str, source: &str, fixtures: Option<&str>, runner: &Runner) -> Loaded {
    let (own_name, own_source) = (name.to_owned(), source.to_owned());
    let (version, mut problems) = runner
        .blocking(move || Version::read(&own_name, &own_source))
        .await;
    let Some(mut version) = version else {
        return Loaded {
            problems,
            ..Loaded::default()
        };
    };
    version.machine.rehearse(true);
    let report = fixture::run(&version, fixtures.unwrap_or_default(), runner).await;
    version.machine.rehearse(false);
    problems.extend(report.problems);
    version.hash = blake3::hash(format!("{source}\0{}", fixtures.unwrap_or_default()).as_bytes())
        .to_hex()
        .to_string();
    let good = usable(&problems);
    Loaded {
        version: good.then_some(version),
        problems,
        cases: report.cases,
    }
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// `NAME.luau` and `NAME.fixtures.jsonl` in this folder.
    Folder(PathBuf),
    BuiltIn,
}

/// How a reload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    Unchanged,
    Swapped,
    /// The version before stays live.
    Refused(Vec<Problem>),
}

/// A file with its live version, shared by the accounts that use it.
pub struct Script {
    name: String,
    source: Source,
    current: ArcSwap<Version>,
    accounts: RwLock<Vec<Weak<Shared>>>,
    runner: Runner,
    /// One reload at a time.
    busy: tokio::sync::Mutex<()>,
    /// The last thing that was refused, so that it is said once.
    refused: Mutex<Option<String>>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("name", &self.name)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Script {
    /// Opens the file of this name: in the folder where it has one, else the one that comes with
    /// the program.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub async fn open(
        name: &str,
        folder: Option<&Path>,
        runner: &Runner,
    ) -> Result<Arc<Self>, Vec<Problem>> {
        let own = folder.filter(|folder| folder.join(format!("{name}.luau")).exists());
        let source = match own {
            Some(folder) => Source::Folder(folder.to_owned()),
            None => Source::BuiltIn,
        };
        let (text, fixtures) = source.read(name).await?;
        let loaded = load(name, &text, fixtures.as_deref(), runner).await;
        for problem in loaded.problems.iter().filter(|p| !p.is_error()) {
            tracing::warn!(%problem, "A channel's file has a weakness.");
        }
        let Some(version) = loaded.version else {
            return Err(loaded.problems);
        };
        Ok(Arc::new(Self {
            name: name.to_owned(),
            source,
            current: ArcSwap::from_pointee(version),
            accounts: RwLock::default(),
            runner: runner.clone(),
            busy: tokio::sync::Mutex::default(),
            refused: Mutex::default(),
        }))
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder to watch; none for a file of the program.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.source {
            Source::Folder(folder) => Some(folder),
            Source::BuiltIn => None,
        }
    }

    #[must_use]
    pub fn version(&self) -> Arc<Version> {
        self.current.load_full()
    }

    pub(crate) fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Reads the file again. It is swapped in when it has no errors, passes its fixtures and fits
    /// the settings of every account; else the version before stays live.
    pub async fn reload(&self) -> Reload {
        let _busy = self.busy.lock().await;
        let outcome = self.try_reload().await;
        match &outcome {
            Reload::Unchanged => {}
            Reload::Swapped => {
                tracing::info!(file = self.name, "The channel's file is live as saved.");
            }
            Reload::Refused(problems) => {
                let text = in_short(&self.name, problems);
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                if refused.as_deref() != Some(&text) {
                    tracing::error!(
                        file = self.name,
                        problems = text,
                        "The channel's file cannot be used as saved; the version before stays live."
                    );
                    *refused = Some(text);
                }
            }
        }
        outcome
    }

    async fn try_reload(&self) -> Reload {
        let (text, fixtures) = match self.source.read(&self.name).await {
            Ok(read) => read,
            Err(problems) => return Reload::Refused(problems),
        };
        let loaded = load(&self.name, &text, fixtures.as_deref(), &self.runner).await;
        let Some(version) = loaded.version else {
            return Reload::Refused(loaded.problems);
        };
        if version.hash == self.version().hash {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if refused.take().is_some() {
                tracing::info!(
                    file = self.name,
                    "The channel's file is again what is live."
                );
            }
            return Reload::Unchanged;
        }
        let version = Arc::new(version);
        let accounts = self.accounts();
        let limits = &version.caps.capabilities;
        if accounts
            .iter()
            .any(|account| account.capabilities != *limits)
        {
            tracing::warn!(
                file = self.name,
                "What the file says of the platform's limits counts from the next start."
            );
        }
        let mut ready = Vec::with_capacity(accounts.len());
        for account in &accounts {
            match Ready::new(version.clone(), account) {
                Ok(made) => ready.push(made),
                Err(wrong) => {
                    let file = format!("{}.luau", self.name);
                    let problems = wrong.into_iter().map(|w| {
                        let id = &account.account.id;
                        let message = words(
                            format!("the account {id} does not fit: {}", w.en),
                            format!("账号 {id} 与该文件不符：{}", w.zh),
                        );
                        Problem::error("config", &file, 0, message)
                    });
                    return Reload::Refused(problems.collect());
                }
            }
        }
        self.current.store(version);
        for (account, ready) in accounts.iter().zip(ready) {
            account.swap(ready);
        }
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Reload::Swapped
    }

    pub(crate) fn join(&self, account: &Arc<Shared>) {
        let mut accounts = self
            .accounts
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        accounts.retain(|known| known.strong_count() > 0);
        accounts.push(Arc::downgrade(account));
    }

    /// The accounts that use this file.
    pub(crate) fn accounts(&self) -> Vec<Arc<Shared>> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().filter_map(Weak::upgrade).collect()
    }
}

/// The first errors, and how many more there are: the log is no place for all of them.
fn in_short(name: &str, problems: &[Problem]) -> String {
    let mut errors = problems.iter().filter(|problem| problem.is_error());
    let told: Vec<String> = errors.by_ref().take(TOLD).map(Problem::to_string).collect();
    let told = told.join("; ");
    match errors.count() {
        0 => told,
        more => format!("{told}; and {more} more: tandem channel check {name}.luau"),
    }
}

impl Source {
    async fn read(&self, name: &str) -> Result<(String, Option<String>), Vec<Problem>> {
        match self {
            Self::BuiltIn => match BUILT_IN.iter().find(|(known, _, _)| *known == name) {
                Some((_, source, fixtures)) => {
                    Ok(((*source).to_owned(), Some((*fixtures).to_owned())))
                }
                None => {
                    let known: Vec<&str> = BUILT_IN.iter().map(|(name, _, _)| *name).collect();
                    let known = known.join(", ");
                    Err(vec![Problem::error(
                        "file",
                        &format!("{name}.luau"),
                        0,
                        words(
                            format!(
                                "there is no such channel file; these come with the program: {known}"
                            ),
                            format!("没有这个渠道文件；程序自带的有：{known}"),
                        ),
                    )])
                }
            },
            Self::Folder(folder) => {
                let (folder, name) = (folder.clone(), name.to_owned());
                let read = tokio::task::spawn_blocking(move || read_pair(&folder, &name));
                match read.await {
                    Ok(read) => read.map_err(|problem| vec![*problem]),
                    Err(error) => {
                        tracing::error!(%error, "Reading a channel's file failed.");
                        Err(Vec::new())
                    }
                }
            }
        }
    }
}

/// The file of this name in a folder, with its fixtures if there are any.
///
/// # Errors
/// When one of them cannot be read, is too large, or is no text.
pub fn read_pair(folder: &Path, name: &str) -> Result<(String, Option<String>), Box<Problem>> {
    let read = |file: String, max: u64| {
        let path = folder.join(&file);
        read_file(&path, max).map_err(|words| Box::new(Problem::error("file", &file, 0, words)))
    };
    let source = read(format!("{name}.luau"), SOURCE_MAX)?;
    let fixtures = format!("{name}.fixtures.jsonl");
    let fixtures = match folder.join(&fixtures).exists() {
        true => Some(read(fixtures, FIXTURES_MAX)?),
        false => None,
    };
    Ok((source, fixtures))
}

fn read_file(path: &Path, max: u64) -> Result<String, Words> {
    let size = std::fs::metadata(path).map(|data| data.len()).unwrap_or(0);
    if size > max {
        return Err(words(
            format!("the file is larger than {} kB", max >> 10),
            format!("文件超过 {} kB", max >> 10),
        ));
    }
    std::fs::read_to_string(path).map_err(|error| {
        words(
            format!("the file cannot be read: {error}"),
            format!("无法读取文件：{error}"),
        )
    })
}
