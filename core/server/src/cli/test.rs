//! `tandem test`: a pack's conversation tests.

use std::{io::Write as _, path::PathBuf, sync::Arc};

use tandem_understanding::PhraseTrainer;

use super::{Common, End, load_pack, pack_folder};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The pack's folder.
    pack: Option<PathBuf>,
    /// Only tests whose file or name contains this.
    #[arg(long)]
    filter: Option<String>,
    /// Show which steps and ways no test took.
    #[arg(long)]
    coverage: bool,
}

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    let Some(pack) = load_pack(common, &pack_folder(options.pack.as_deref()))? else {
        return Ok(End::Wrong);
    };
    let report = tandem_flow::testing::run_tests(
        &Arc::new(pack),
        &PhraseTrainer,
        &tandem_flow::testing::Options {
            filter: options.filter.clone(),
            coverage: options.coverage,
        },
    );
    if common.json() {
        common.print_json(&report)?;
    } else {
        let text = report.render_human(common.lang(), common.colored());
        common.out().write_all(text.as_bytes())?;
    }
    Ok(if report.passed() {
        End::Well
    } else {
        End::Wrong
    })
}
