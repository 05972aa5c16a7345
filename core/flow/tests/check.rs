//! What `check` says, and what it no longer says; with the decisions of the language that are the
//! loader's, by their numbers.

#![allow(clippy::unwrap_used)]

use tandem_flow::{
    diagnostic::{Diagnostic, Severity},
    load::{Loaded, load_files},
    model::{Limits, StepKind},
};

const HEAD: &str = "name: shop\nlocales: [en]\n";

fn load(files: &[(&str, &str)]) -> Loaded {
    let mut all: Vec<(String, String)> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    if !files.iter().any(|(path, _)| *path == "pack.yaml") {
        all.push(("pack.yaml".to_owned(), HEAD.to_owned()));
    }
    load_files(all)
}

/// Errors and warnings of one flow file, as `code: message`.
fn said(flow: &str) -> Vec<String> {
    told(&load(&[("main.flow.yaml", flow)]))
}

fn told(loaded: &Loaded) -> Vec<String> {
    let line = |d: &Diagnostic| format!("{}: {}", d.code, d.message.en);
    loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity < Severity::Note)
        .map(line)
        .collect()
}

#[test]
fn a_test_may_ask_for_a_menu_of_questions() {
    let flow = "
faqs:
  delivery: {title: Delivery, items: {cost: {title: Costs, answer: It is free.}}}
flows:
  menu:
    start_when: {phrases: [show me the questions]}
    steps: [{faq: delivery}, faq: ]
";
    let test = "
test: The menus
turns:
  - user: show me the questions
  - bot: {asks: delivery, options: [Costs]}
  - press: Costs
  - bot: [{text: It is free.}, {asks: faq}]
  - bot: {asks: delivry}
";
    let loaded = load(&[("main.flow.yaml", flow), ("tests/a.test.yaml", test)]);
    assert_eq!(
        told(&loaded),
        ["test-name: the pack has no slot, menu or FAQ menu `delivry`"]
    );
}

#[test]
fn a_list_may_be_asked_for_without_options() {
    let flow = "
slots:
  wishes: {type: list}
  item: {type: object}
flows:
  wish:
    start_when: {phrases: [I have a wish]}
    steps:
      - {collect: wishes, ask: What would you like?}
      - {collect: item, ask: Which one?}
      - say: You get {{ wishes | join(' + ') }}, {{ item.name }}.
";
    assert_eq!(
        said(flow),
        ["slot-options: nobody can type the object `item`: it needs `options_from`"]
    );
}

#[test]
fn what_an_event_may_fill_is_not_called_empty() {
    let flow = "
slots:
  product: {type: text}
  serial: {type: text}
  price: {type: number}
  colour: {type: text}
responses:
  ends_soon: The warranty of your {{ product }} ends soon.
flows:
  warranty:
    start_when: {event: warranty_expiring}
    steps:
      - say: ends_soon
      - call: details
  details:
    callable_only: true
    steps: [{say: 'Its number is {{ serial }}, its price {{ price }}.'}]
  other:
    start_when: {phrases: [what colour is it]}
    steps: [{say: 'It is {{ colour }}.'}]
";
    assert_eq!(
        said(flow),
        ["never-filled: the slot `colour` is read, but nothing fills it"]
    );
    let without_event = flow.replace("event: warranty_expiring", "phrases: [is it guaranteed]");
    assert_eq!(said(&without_event).len(), 4);
}

#[test]
fn limits_have_the_defaults_of_the_documents() {
    let pack = load(&[]).pack.unwrap();
    let limits = Limits {
        attempts: 3,
        jumps: 10,
        steps_per_turn: 200,
        repair: 3,
        session_minutes: 1440,
    };
    assert_eq!(pack.limits, limits);
}

#[test]
fn decision_09_the_names_of_the_language_are_no_slots() {
    for name in [
        "contact",
        "conversation",
        "message",
        "repair",
        "hours",
        "it",
        "now",
        "channel",
        "locale",
    ] {
        let flow = format!("slots:\n  {name}: {{type: text}}\n");
        assert_eq!(
            said(&flow),
            [format!("reserved-name: `{name}` is a name of the language")]
        );
        // And every expression may use it.
        let flow = format!(
            "flows:\n  a:\n    start_when: {{phrases: [tell me]}}\n    steps: [{{if: {name} is none, then: [{{say: It is none.}}]}}]\n"
        );
        assert!(said(&flow).is_empty(), "{:?}", said(&flow));
    }
    let fields = "
flows:
  a:
    start_when: {phrases: [tell me]}
    steps: [{say: 'Sentiment {{ message.sentimant }}.'}]
";
    assert_eq!(
        said(fields),
        ["unknown-field: `message` has no field `sentimant`"]
    );
}

#[test]
fn decision_19_a_steps_kind_is_its_kind_key() {
    let flow = "
slots: {name: {type: text}, age: {type: integer}}
flows:
  a:
    start_when: {phrases: [tell me]}
    steps:
      - {if: age > 1, say: Only where it holds.}
      - {if: age > 1, then: [{say: It is a branch.}]}
      - form: who
        collect:
          - {collect: name, ask: Your name?, if: age > 1}
          - {collect: age, ask: Your age?}
";
    let loaded = load(&[("main.flow.yaml", flow)]);
    assert!(told(&loaded).is_empty(), "{:?}", told(&loaded));
    let pack = loaded.pack.unwrap();
    let kinds: Vec<&str> = pack.flows["a"].blocks[0]
        .steps
        .iter()
        .map(|s| s.kind.key())
        .collect();
    assert_eq!(kinds, ["say", "if", "form"]);
    assert!(pack.flows["a"].blocks[0].steps[0].cond.is_some());
    let two = "flows: {a: {steps: [{say: Hello there., end: done}]}}\n";
    assert_eq!(said(two)[0].split(':').next(), Some("step-kind"));
}

#[test]
fn decision_20_a_word_names_a_response_and_a_text_has_a_space() {
    let flow = |step: &str| {
        format!(
            "responses: {{hello_all: Hello.}}\nflows:\n  a:\n    start_when: {{phrases: [good day]}}\n    steps:\n      - {step}\n      - say: hello_all\n"
        )
    };
    for fine in [
        "say: hello_all",
        "say: Hello there",
        "say: Hello!",
        "say: {text: Hello}",
        "say: 你好。",
    ] {
        assert!(
            said(&flow(fine)).is_empty(),
            "{fine}: {:?}",
            said(&flow(fine))
        );
    }
    let loaded = load(&[("main.flow.yaml", &flow("say: helo_all"))]);
    assert_eq!(
        told(&loaded),
        ["unknown-response: there is no response `helo_all`"]
    );
    assert_eq!(loaded.diagnostics[0].hint.en, "did you mean `hello_all`?");
    let answer = "faqs: {cost: {title: Costs, answer: free_delivery}}\n";
    assert_eq!(
        said(answer),
        ["unknown-response: there is no response `free_delivery`"]
    );
}

#[test]
fn decision_21_goto_backwards_needs_a_max_or_a_question() {
    let flow = |jump: &str, question: bool| {
        let ask = if question {
            "      - {collect: name, ask: Your name?, always_ask: true}\n"
        } else {
            ""
        };
        format!(
            "slots: {{name: {{type: text}}}}\nflows:\n  a:\n    start_when: {{phrases: [good day]}}\n    steps:\n      - {{id: top, set: {{name: null}}}}\n{ask}      - {jump}\n      - say: Bye {{{{ name }}}}.\n"
        )
    };
    let codes = |flow: &str| -> Vec<String> {
        said(flow)
            .iter()
            .filter_map(|line| line.split(':').next().map(str::to_owned))
            .filter(|code| code != "unreachable")
            .collect()
    };
    assert_eq!(codes(&flow("goto: top", false)), ["endless-loop"]);
    assert!(codes(&flow("{goto: top, max: 2}", false)).is_empty());
    assert!(codes(&flow("goto: top", true)).is_empty());
    assert_eq!(codes(&flow("goto: nowhere", false)), ["unknown-step"]);
}

#[test]
fn decision_27_a_plain_text_stands_for_the_default_locale_with_a_warning() {
    let flow = "
flows:
  hello:
    title: {en: hello, zh: 问候}
    start_when: {phrases: [good day, 你好]}
    steps:
      - say: Hello there.
  bye:
    title: {en: goodbye, zh: 告别}
    start_when: {phrases: {en: [see you], zh: [再见]}}
    steps:
      - say: {en: Goodbye., zh: 再见。}
      - say: {en: Only English.}
";
    let two = ("pack.yaml", "name: shop\nlocales: [en, zh]\n");
    let loaded = load(&[two, ("main.flow.yaml", flow)]);
    let codes: Vec<&str> = loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity < Severity::Note)
        .map(|d| d.code)
        .collect();
    assert_eq!(codes, ["plain-text", "missing-translation"]);
    let pack = loaded.pack.unwrap();
    let StepKind::Say(say) = &pack.flows["hello"].blocks[0].steps[0].kind else {
        panic!()
    };
    assert!(format!("{:?}", say.say).contains("\"en\": Template(\"Hello there.\")"));
    // A plain list trains every language, a map each.
    let locales = |flow: &str| -> Vec<Option<String>> {
        pack.training_set()
            .examples
            .iter()
            .filter(|e| format!("{:?}", e.target).contains(flow))
            .map(|e| e.locale.as_ref().map(ToString::to_string))
            .collect()
    };
    assert_eq!(locales("hello"), [None, None]);
    assert_eq!(
        locales("bye"),
        [Some("en".to_owned()), Some("zh".to_owned())]
    );
}

#[test]
fn decision_28_errors_keep_a_pack_from_loading_and_warnings_do_not() {
    let flow = |steps: &str| {
        format!(
            "slots: {{age: {{type: integer}}}}\nflows:\n  a:\n    start_when: {{phrases: [good day]}}\n    steps: {steps}\n"
        )
    };
    let errors = [
        ("unknown-key", flow("[{say: Hello there., sey: 1}]")),
        (
            "wrong-type",
            flow("[{collect: age, ask: Age?, max_attempts: often}]"),
        ),
        ("unknown-flow", flow("[call: nobody]")),
        ("endless-loop", flow("[{id: x, tag: a}, {goto: x}]")),
        ("template-syntax", flow("['say': 'Hello {{ age']")),
        ("yaml-syntax", flow("[say: [")),
    ];
    for (code, text) in &errors {
        let loaded = load(&[("main.flow.yaml", text)]);
        assert!(loaded.pack.is_none(), "{code}");
        assert!(
            loaded
                .diagnostics
                .iter()
                .any(|d| d.code == *code && d.is_error()),
            "{code}: {:?}",
            told(&loaded)
        );
    }
    let secret = "connections: {shop: {base_url: 'https://x.test', auth: {type: bearer, token: abc}, operations: {}}}\n";
    assert!(load(&[("connections.yaml", secret)]).pack.is_none());
    assert!(load(&[("main.flow.yaml", "")]).pack.is_none());
    // A path that leads out of the pack.
    assert!(
        load(&[("../main.flow.yaml", &flow("[say: Hello there.]"))])
            .pack
            .is_none()
    );

    let warned = load(&[
        ("pack.yaml", "name: shop\nlocales: [en, zh]\n"),
        (
            "main.flow.yaml",
            "\u{feff}flows:\n  a:\n    start_when: {phrases: [good day]}\n    steps: [{end: done}, {say: {en: Never said.}}]\n  b:\n    start_when: {phrases: [good day]}\n    steps: [{say: {en: Yes., zh: 好。}}]\n",
        ),
    ]);
    assert!(warned.pack.is_some(), "{:?}", told(&warned));
    let mut codes: Vec<&str> = warned
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Warning)
        .map(|d| d.code)
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, ["missing-translation", "same-phrase", "unreachable"]);
}
