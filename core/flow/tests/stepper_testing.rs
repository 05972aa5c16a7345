//! What the test runner says when an expectation is not met, and when a test cannot be read.

mod stepper_support;

use std::sync::Arc;

use stepper_support::{DESK, PACK};
use tandem_flow::{
    diagnostic::Lang,
    load::load_files,
    model::Pack,
    testing::{Options, Report, run_tests},
};
use tandem_understanding::PhraseTrainer;

const FLOW: &str = r"version: 1
slots:
  size: {type: choice, options: {s: Small, l: Large}}
  code: {type: text}
flows:
  pick:
    start_when: {phrases: [pick a size, choose a size]}
    steps:
      - collect: size
        ask: Which size?
      - lua: codes.make
        with: {size: '{{ size }}'}
        save: code
        on_error: [{say: No code.}]
      - http: shop.order
        with: {size: '{{ size }}', n: 2}
        on_error: {404: [{say: Sold out.}, {end: gone}], other: [{handoff: orders}]}
      - say: Ordered {{ code }}.
";
const LUA: &str = r#"local codes = {}
function codes.make(given)
  local answer = http({url = "https://shop.example.test/codes/" .. given.size})
  store.put("last", answer.body)
  return "C-" .. store.get("last")
end
return codes
"#;
const SHOP: &str = "connections:\n  shop:\n    base_url: https://shop.example.test\n    hosts: [shop.example.test]\n    operations:\n      order: {method: POST, path: /order}\n";

fn pack(test: &str) -> Arc<Pack> {
    let files = [
        ("pack.yaml", PACK),
        ("desk.yaml", DESK),
        ("connections.yaml", SHOP),
        ("main.flow.yaml", FLOW),
        ("codes.luau", LUA),
        ("tests/a.test.yaml", test),
    ];
    stepper_support::load(
        files
            .iter()
            .map(|(p, t)| ((*p).to_owned(), (*t).to_owned()))
            .collect(),
    )
}

fn run(test: &str) -> Report {
    run_tests(&pack(test), &PhraseTrainer, &Options::default())
}

#[test]
fn every_word_of_a_test_is_played() {
    let report = run(r#"
test: all words
locale: en
clock: 2025-03-03T10:00+01:00
contact: {tier: gold}
stub:
  GET /codes/l: A7
  https://shop.example.test/codes/s: B1
  shop.order: [{id: 1}, {error: 404}]
turns:
  - user: pick a size
  - bot: {asks: size, text: "Which size?", options: [Small, Large]}
  - press: Large
  - bot: {text: /^Ordered C-A7/}
  - called: {shop.order: {times: 1, with: {size: l, n: 2}}, codes.make: {times: 1}}
  - slot: {size: l, code: C-A7}
  - trace: {shows: [flow pick], hides: [ann@x.test]}
  - user: {text: pick a size, id: m7}
  - bot: [{asks: size}]
  - user: {text: pick a size, id: m7}
  - bot: []
  - user: small
  - bot: {text: Sold out.}
  - user: talk to a human
  - handoff: {skill: general, priority: normal, mode: queue}
  - user: hello?
  - bot: []
  - agent: {say: Hi there}
  - advance: 1d
  - agent: {resolve: true}
  - event: nothing_of_ours
  - upload: {name: a.jpg, mime: image/jpeg, size_mb: 2}
  - bot: {says: cannot_handle}
"#);
    assert!(report.passed(), "{}", report.render_human(Lang::En, false));
}

#[test]
fn a_failure_shows_what_was_expected_and_what_came_at_its_line() {
    let report = run(r"
test: wrong
turns:
  - user: pick a size
  - bot: {asks: code}
  - press: Larg
");
    assert!(!report.passed());
    let test = &report.tests[0];
    assert_eq!(test.failures[0].line, 5);
    assert_eq!(test.failures[0].expected.get(Lang::En), "{asks: code}");
    assert!(
        test.failures[0]
            .got
            .get(Lang::En)
            .starts_with("{asks: size")
    );
    assert_eq!(test.failures[1].line, 6);
    assert!(
        test.failures[1]
            .got
            .get(Lang::En)
            .contains("did you mean `Large`")
    );
    let shown = report.render_human(Lang::Zh, false);
    assert!(
        shown.contains("期望") && shown.contains("tests/a.test.yaml:5"),
        "{shown}"
    );
    assert!(
        report
            .render_human(Lang::En, false)
            .contains("0 of 1 tests passed")
    );
}

#[test]
fn an_unstubbed_call_is_named() {
    let report = run(r"
test: unstubbed
turns:
  - user: pick a size
  - user: small
  - bot: {text: Ordered.}
");
    let lines = &report.tests[0].transcript;
    assert!(
        lines
            .iter()
            .any(|l| l.contains("shop.order was called and has no stub")),
        "{lines:?}"
    );
}

#[test]
fn an_unknown_word_is_an_error_with_a_suggestion() {
    let text = "test: t\nturns:\n  - user: hi\n  - bott: {asks: size}\n";
    let files = [
        ("pack.yaml", PACK),
        ("desk.yaml", DESK),
        (
            "main.flow.yaml",
            "version: 1\nflows:\n  a:\n    steps: [{say: Hello there.}]\n",
        ),
        ("tests/a.test.yaml", text),
    ];
    let loaded = load_files(
        files
            .iter()
            .map(|(p, t)| ((*p).to_owned(), (*t).to_owned()))
            .collect(),
    );
    let found = loaded
        .diagnostics
        .iter()
        .find(|d| d.file.ends_with("a.test.yaml"))
        .expect("it is reported");
    assert_eq!((found.line, found.column), (4, 5));
    assert!(found.hint.get(Lang::En).contains("bot"), "{found:?}");
}
