//! The language's own example and its own test, as they stand.

mod stepper_support;

use stepper_support::contract;
use tandem_flow::{
    diagnostic::Lang,
    testing::{Options, run_tests},
};
use tandem_understanding::PhraseTrainer;

#[test]
fn the_example_passes_its_own_test() {
    let options = Options {
        coverage: true,
        ..Options::default()
    };
    let report = run_tests(&contract(), &PhraseTrainer, &options);
    assert_eq!(report.tests.len(), 1);
    assert!(report.passed(), "{}", report.render_human(Lang::En, false));
    let coverage = report.coverage.expect("it was asked for");
    assert!(coverage.steps.reached > 0 && coverage.steps.reached < coverage.steps.total);
    assert!(
        coverage.flows.iter().all(|f| f.flow != "cancelled"),
        "shipped patterns are not the pack's to cover"
    );
    let complaint = coverage
        .flows
        .iter()
        .find(|f| f.flow == "complaint")
        .expect("it is a flow of the pack");
    assert_eq!(complaint.steps.reached, 0);
    assert!(
        complaint
            .missed
            .iter()
            .any(|m| m.file == "main.flow.yaml" && m.line > 100)
    );
}
