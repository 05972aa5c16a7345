//! `tandem graph`: drawings of a pack's flows.

use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;
use tandem_domain::Locale;

use super::{Common, End, deliver, load_pack, pack_folder};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The pack's folder.
    pack: Option<PathBuf>,
    /// One flow, step by step; without it the whole pack, flow by flow.
    #[arg(long)]
    flow: Option<String>,
    /// Notation.
    #[arg(long = "as", value_enum, default_value_t = Notation::Mermaid)]
    notation: Notation,
    /// Language of the labels; the pack's default when left out.
    #[arg(long)]
    locale: Option<String>,
    /// File to write.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Notation {
    Mermaid,
    Svg,
}

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    let Some(pack) = load_pack(common, &pack_folder(options.pack.as_deref()))? else {
        return Ok(End::Wrong);
    };
    let locale = options
        .locale
        .as_deref()
        .map_or_else(|| pack.default_locale().clone(), Locale::new);
    let flow = options.flow.as_deref();
    let drawn = match options.notation {
        Notation::Mermaid => tandem_flow::graph::mermaid(&pack, flow, &locale),
        Notation::Svg => tandem_flow::graph::svg(&pack, flow, &locale),
    };
    match drawn {
        Ok(text) => {
            deliver(common, options.output.as_deref(), &text)?;
            Ok(End::Well)
        }
        Err(missing) => {
            let names: Vec<&str> = pack
                .flows
                .values()
                .filter(|f| !f.pattern)
                .map(|f| f.name.as_str())
                .collect();
            bail!("{missing}; {}", names.join(", "))
        }
    }
}
