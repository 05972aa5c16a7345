//! `tandem plugin`: makes, looks at and tries plugins.
//!
//! * [`find`] – the plugin that was meant: a file, or a name of the configuration;
//! * [`inspect`] – what it says of itself; [`check`] – all that a start would do with it, [`account`]
//!   – with the accounts of a channel;
//! * [`new`] – one to begin with.

mod account;
mod check;
mod find;
mod inspect;
mod new;

use std::path::PathBuf;

use super::{Common, End};

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a small plugin that builds, with a test that passes.
    New(new::New),
    /// Show what a plugin says of itself; its configuration is not needed.
    Inspect(Inspect),
    /// Do all that a start of the server would do with a plugin, and say each.
    Check(Which),
}

#[derive(clap::Args, Debug)]
pub(crate) struct Which {
    /// A library or program, or the name of a plugin in the configuration.
    plugin: PathBuf,
    /// Configuration file; `tandem.yaml` here is used when it exists.
    #[arg(long, short)]
    config: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Inspect {
    #[command(flatten)]
    which: Which,
    /// Write its contract into this pack, by which the pack is checked without the plugin.
    #[arg(long, value_name = "PACK")]
    write: Option<PathBuf>,
}

pub(crate) fn run(common: &Common, command: &Command) -> anyhow::Result<End> {
    match command {
        Command::New(options) => new::run(common, options),
        Command::Inspect(options) => inspect::run(common, options),
        Command::Check(which) => check::run(common, which),
    }
}
