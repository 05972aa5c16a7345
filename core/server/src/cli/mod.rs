//! The commands. One file each; what they share is here.
//!
//! Exit codes: 0 all is well; 1 the command ran and found something wrong; 2 it could not run.

mod channel;
mod chat;
mod check;
mod eval;
mod graph;
mod init;
mod phrases;
mod plugin;
mod schema;
mod serve;
mod shop;
mod test;
mod trace;

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};

use tandem_plugin_host::{library::exit_now, probe};

use crate::{
    lang::{self, Lang, Pick as _},
    plugins,
};

/// Customer service in which a bot and people answer together.
///
/// Without a command the demo starts: a shop, its bot and a page to talk to it.
#[derive(Debug, Parser)]
#[command(name = "tandem", version, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 all is well, 1 something was found wrong, 2 the command could not run."
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Common {
    /// Language of what is printed: en or zh. Default: the locale's.
    #[arg(long, global = true, value_name = "LANG", value_parser = lang::parse)]
    lang: Option<Lang>,
    /// Form of what is printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// When to print in colour.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Options),
    /// Look for mistakes in packs and configuration, without opening anything.
    Check(check::Options),
    /// Play a pack's conversation tests.
    Test(test::Options),
    /// Measure how well messages are understood, on a pack or on labelled messages.
    Eval(eval::Options),
    /// Talk to a pack in the terminal.
    Chat(chat::Options),
    /// Make and try channels that are one Luau file.
    #[command(subcommand)]
    Channel(channel::Command),
    /// Make, look at and try plugins.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Load a library and say what it is, for the server that tries it out.
    #[command(name = PROBE, hide = true)]
    PluginProbe { library: PathBuf },
    /// Draw a pack's flows.
    Graph(graph::Options),
    /// Show why the bot did what it did in a conversation.
    Trace(trace::Options),
    /// Write the JSON Schemas that editors check files with.
    Schema(schema::Options),
    /// Make a new pack that passes its own tests.
    Init(init::Options),
    /// Run the demo shop on its own.
    Shop(shop::Options),
}

/// The hidden command that tries a library out.
const PROBE: &str = "plugin-probe";

/// How a command ended.
pub(crate) enum End {
    Well,
    /// It ran, and what it looked at is not right.
    Wrong,
}

impl Common {
    pub(crate) fn lang(&self) -> Lang {
        lang::choose(self.lang)
    }

    pub(crate) fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// Standard output; colours only where they can be seen.
    pub(crate) fn out(&self) -> anstream::AutoStream<std::io::Stdout> {
        anstream::AutoStream::new(std::io::stdout(), self.choice())
    }

    pub(crate) fn err(&self) -> anstream::AutoStream<std::io::Stderr> {
        anstream::AutoStream::new(std::io::stderr(), self.choice())
    }

    /// Whether standard output shows colours.
    pub(crate) fn colored(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                !self.json()
                    && anstream::AutoStream::choice(&std::io::stdout())
                        != anstream::ColorChoice::Never
            }
        }
    }

    fn choice(&self) -> anstream::ColorChoice {
        match self.color {
            Color::Auto if self.json() => anstream::ColorChoice::Never,
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
    }

    /// Prints a value as JSON.
    pub(crate) fn print_json(&self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        let mut out = self.out();
        serde_json::to_writer_pretty(&mut out, value)?;
        writeln!(out)?;
        Ok(())
    }
}

/// Parses the command line and runs it: all that a program's `main` has to do. Where a plugin's
/// library was loaded, the process ends here, passing over exit handlers that may hang.
#[must_use]
pub fn main() -> ExitCode {
    plugins::probe_with(vec![own_program(), PROBE.into()]);
    let code = run();
    if plugins::native_was_loaded() {
        // Standard error is not buffered.
        let _ = std::io::stdout().flush();
        exit_now(i32::from(code));
    }
    ExitCode::from(code)
}

/// This program, also where its file was replaced since it began.
fn own_program() -> OsString {
    if cfg!(target_os = "linux") {
        return "/proc/self/exe".into();
    }
    std::env::current_exe().map_or_else(|_| "tandem".into(), PathBuf::into_os_string)
}

fn run() -> u8 {
    let cli = Cli::parse();
    let common = cli.common.clone();
    let ended = match cli.command {
        None => serve::demo(&common),
        Some(Command::Serve(options)) => serve::run(&common, options),
        Some(Command::Check(options)) => check::run(&common, &options),
        Some(Command::Test(options)) => test::run(&common, &options),
        Some(Command::Eval(options)) => eval::run(&common, &options),
        Some(Command::Chat(options)) => chat::run(&common, &options),
        Some(Command::Channel(command)) => channel::run(&common, &command),
        Some(Command::Plugin(command)) => plugin::run(&common, &command),
        Some(Command::PluginProbe { library }) => probe::child(&library),
        Some(Command::Graph(options)) => graph::run(&common, &options),
        Some(Command::Trace(options)) => trace::run(&common, &options),
        Some(Command::Schema(options)) => schema::run(&common, &options),
        Some(Command::Init(options)) => init::run(&common, &options),
        Some(Command::Shop(options)) => shop::run(&common, &options),
    };
    match ended {
        Ok(End::Well) => 0,
        Ok(End::Wrong) => 1,
        // `tandem check … | head`: nobody reads any more.
        Err(error) if is_broken_pipe(&error) => 0,
        Err(error) => {
            let lead = common.lang().pick("error", "错误");
            // Standard error may be gone as well; there is nobody left to tell.
            let _ = writeln!(common.err(), "\x1b[1;31m{lead}\x1b[0m: {error:#}");
            2
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A pack's folder as given, or the one we stand in.
pub(crate) fn pack_folder(given: Option<&Path>) -> PathBuf {
    given.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The configuration's file as given, or the one here.
pub(crate) fn config_file(given: Option<&Path>) -> Option<PathBuf> {
    let here = Path::new("tandem.yaml");
    let file = given.or_else(|| here.exists().then_some(here));
    file.map(Path::to_path_buf)
}

/// Reads a pack; prints what is wrong with it and gives none when it has errors.
pub(crate) fn load_pack(
    common: &Common,
    folder: &Path,
) -> anyhow::Result<Option<tandem_flow::model::Pack>> {
    let loaded = tandem_flow::load::load_dir(folder);
    if loaded.pack.is_none() {
        check::print(common, &loaded.diagnostics)?;
    }
    Ok(loaded.pack)
}

/// Writes a text where it was asked for: a file, or standard output.
pub(crate) fn deliver(common: &Common, to: Option<&Path>, text: &str) -> anyhow::Result<()> {
    use anyhow::Context as _;
    match to {
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("{} could not be written", path.display())),
        None => {
            let mut out = common.out();
            out.write_all(text.as_bytes())?;
            if !text.ends_with('\n') {
                writeln!(out)?;
            }
            Ok(())
        }
    }
}
