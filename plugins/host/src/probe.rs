//! Trying a library out in a child process, where its constructors may crash or hang.

use std::{
    ffi::OsString,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, setrlimit};
use serde::{Deserialize, Serialize};
use tandem_plugin_abi::{code, table::Table};
use tandem_plugin_sdk::wire::{Manifest, read};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

use crate::{
    Refusal, Said,
    library::{Images, exit_now},
};

/// How the child is started: the server's own program with a hidden command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The program and its arguments; the library's path is added as the last.
    pub command: Vec<OsString>,
    /// How long it may take.
    pub limit: Duration,
}

/// What stands before the child's one line, so that whatever a plugin prints is passed over.
const MARK: &str = "tandem-plugin-probe: ";
/// The most that is read of what the child prints.
const OUTPUT_MAX: u64 = 4 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Manifest(Manifest),
    Refused(Said),
}

impl Probe {
    /// Loads the library at `path` in a child and asks it for its manifest.
    ///
    /// # Errors
    /// When the child crashes, does not end in time, or says why it could not.
    pub async fn run(&self, path: &Path) -> Result<Manifest, Refusal> {
        let failed = |why: Said| Refusal::Probe { why };
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(failed(no_command()));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg(path)
            .env_clear()
            .envs(kept_environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(|why| failed(format!("{}: {why}", program.display()).into()))?;
        // Its number is also its group's: what it started itself ends with it.
        let group = Group(child.id());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ended = tokio::time::timeout(self.limit, async {
            let (out, err, status) = tokio::join!(all(stdout), all(stderr), child.wait());
            (out, err, status)
        })
        .await;
        drop(group);
        let Ok((out, err, status)) = ended else {
            let ms = self.limit.as_millis();
            return Err(failed(Said::new(
                format!("it did not end within {ms} ms; a constructor hangs"),
                format!("{ms} 毫秒内没有结束；构造函数挂起"),
            )));
        };
        let told = out.lines().rev().find_map(|line| line.strip_prefix(MARK));
        match told.map(|line| read::<Told>(line.as_bytes())) {
            Some(Ok(Told::Manifest(manifest))) => {
                manifest.check().map_err(Refusal::Fault)?;
                Ok(manifest)
            }
            Some(Ok(Told::Refused(why))) => Err(failed(why)),
            Some(Err(why)) => Err(failed(why.into())),
            None => Err(failed(match status {
                Ok(status) => ended_how(status, &err),
                Err(why) => why.to_string().into(),
            })),
        }
    }
}

/// The variables that a child needs to find programs and libraries. All others stay: they may hold
/// secrets.
pub(crate) fn kept_environment() -> impl Iterator<Item = (&'static str, OsString)> {
    [
        "PATH",
        "LD_LIBRARY_PATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "HOME",
    ]
    .into_iter()
    .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// A child's process group, ended when dropped.
pub(crate) struct Group(pub(crate) Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let number = self.0.and_then(|number| i32::try_from(number).ok());
        if let Some(group) = number.and_then(Pid::from_raw) {
            // Gone already is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn all(from: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let _ = from.take(OUTPUT_MAX).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Nobody said how libraries are tried out.
pub(crate) fn no_command() -> Said {
    Said::new("no command is configured for it", "没有为此配置命令")
}

pub(crate) fn ended_how(status: ExitStatus, stderr: &str) -> Said {
    let how = match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = signal_name(signal);
            Said::new(
                format!("it crashed with signal {signal}{name}"),
                format!("它因信号 {signal}{name} 崩溃"),
            )
        }
        (None, Some(code)) => Said::new(
            format!("it ended with the code {code}"),
            format!("它以代码 {code} 结束"),
        ),
        (None, None) => Said::new("it ended", "它已结束"),
    };
    let last: Option<String> = stderr
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .map(|line| line.trim().chars().take(300).collect());
    match last {
        Some(last) => how.and(&Said::new(
            format!("its last words: {last}"),
            format!("最后的输出：{last}"),
        )),
        None => how,
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGKILL => " (SIGKILL)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGXCPU => " (SIGXCPU)",
        libc::SIGSYS => " (SIGSYS)",
        _ => "",
    }
}

/// The child's side: loads the library, writes one line to stdout and ends the process, passing over
/// all destructors.
pub fn child(path: &Path) -> ! {
    let limit = |resource, most| {
        let both = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        // A limit that cannot be set is one that is lower already.
        let _ = setrlimit(resource, both);
    };
    limit(Resource::Core, 0);
    limit(Resource::Cpu, 20);
    limit(Resource::As, 8 << 30);
    let told = match Images::new(1).load(path) {
        Ok(table) => match unchecked(&table, 1 << 20) {
            Ok(manifest) => Told::Manifest(manifest),
            Err(refusal) => Told::Refused(refusal.said()),
        },
        Err(refusal) => Told::Refused(refusal.said()),
    };
    let line = serde_json::to_string(&told).unwrap_or_default();
    let mut stdout = std::io::stdout().lock();
    // A newline first: the plugin may have printed half a line.
    let written = writeln!(stdout, "\n{MARK}{line}").and_then(|()| stdout.flush());
    exit_now(i32::from(written.is_err()))
}

/// Asks a table for its manifest and checks it.
pub(crate) fn manifest(table: &Table, most: usize) -> Result<Manifest, Refusal> {
    let manifest = unchecked(table, most)?;
    manifest.check().map_err(Refusal::Fault)?;
    Ok(manifest)
}

/// What a table says of itself, whatever it is: the child leaves it to the server to judge, which
/// says what is wrong in both languages.
fn unchecked(table: &Table, most: usize) -> Result<Manifest, Refusal> {
    let failed = |why: Said| Refusal::Manifest { why };
    let answer = table.manifest();
    if answer.code() != code::OK {
        let code = answer.code();
        return Err(failed(Said::new(
            format!("it answers with the code {code}"),
            format!("它返回代码 {code}"),
        )));
    }
    let body = answer.body(most).map_err(|why| failed(why.into()))?;
    read(body).map_err(|why| failed(why.into()))
}
