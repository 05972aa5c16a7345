//! The demo pack's own conversation tests.

use std::{path::Path, sync::Arc};

use tandem_flow::{
    diagnostic::{Lang, Severity},
    load::load_dir,
    testing::{Options, run_tests},
};
use tandem_understanding::PhraseTrainer;

#[test]
fn the_demo_pack_passes_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows/retail");
    let loaded = load_dir(&root);
    let errors: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .map(|d| d.render_human(Lang::En, false))
        .collect();
    let pack = Arc::new(
        loaded
            .pack
            .unwrap_or_else(|| panic!("{}", errors.join("\n"))),
    );
    let options = Options {
        coverage: true,
        filter: std::env::var("TEST_FILTER").ok(),
    };
    let report = run_tests(&pack, &PhraseTrainer, &options);
    assert!(report.passed(), "{}", report.render_human(Lang::En, false));
}
