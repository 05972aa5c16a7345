//! `tandem schema`: JSON Schemas for editors.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Common, End, deliver};
use crate::config::Config;

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// What the schema describes.
    #[arg(value_enum, default_value_t = Kind::Flow)]
    kind: Kind,
    /// File to write.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// *.flow.yaml
    Flow,
    /// pack.yaml
    Pack,
    /// connections.yaml
    Connections,
    /// desk.yaml
    Desk,
    /// tests/*.test.yaml
    Test,
    /// tandem.yaml
    Config,
}

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    let schema = match options.kind {
        Kind::Flow => tandem_flow::schema::flow(),
        Kind::Pack => tandem_flow::schema::pack(),
        Kind::Connections => tandem_flow::schema::connections(),
        Kind::Desk => tandem_flow::schema::desk(),
        Kind::Test => tandem_flow::schema::test(),
        Kind::Config => Config::schema(),
    };
    let text = serde_json::to_string_pretty(&schema)?;
    deliver(common, options.output.as_deref(), &text)?;
    Ok(End::Well)
}
