//! Files as they come: odd, hostile, or only unusual.

#![allow(clippy::unwrap_used)]

use std::fs;

use proptest::prelude::*;
use tandem_flow::{
    check::check_dir,
    diagnostic::{Diagnostic, Lang, Severity},
    load::{ChannelLimit, Loaded, Options, load_dir, load_files, load_files_with},
    model::{AfterBlock, Arg, ButtonAction, Pack, Say, StepKind},
};

const HEAD: &str = "name: shop\nlocales: [en]\n";

fn with(files: &[(&str, &str)]) -> Loaded {
    let mut all = vec![("pack.yaml".to_owned(), HEAD.to_owned())];
    all.extend(
        files
            .iter()
            .map(|(p, t)| ((*p).to_owned(), (*t).to_owned())),
    );
    load_files(all)
}

fn shown(list: &[Diagnostic]) -> String {
    list.iter()
        .map(|d| d.render_human(Lang::En, false))
        .collect()
}

fn sound(files: &[(&str, &str)]) -> Pack {
    let loaded = with(files);
    assert!(loaded.pack.is_some(), "{}", shown(&loaded.diagnostics));
    loaded.pack.unwrap()
}

fn codes(files: &[(&str, &str)]) -> Vec<&'static str> {
    with(files)
        .diagnostics
        .iter()
        .filter(|d| d.severity < Severity::Note)
        .map(|d| d.code)
        .collect()
}

#[test]
fn scalars_stay_as_written() {
    let pack = sound(&[(
        "a.flow.yaml",
        "slots:\n  code: {type: text}\n  size: {type: choice, options: {no: Norwegian, 007: Bond, on: Started}}\n\
         flows:\n  a:\n    start_when: {phrases: [yes, 0049, 1.50]}\n    steps:\n      - set: {code: 0049, size: no}\n      - say: Code {{ code }} {{ size }}\n",
    )]);
    let tandem_flow::model::SlotKind::Choice { options } = &pack.slots["size"].kind else {
        panic!()
    };
    assert_eq!(options.keys().collect::<Vec<_>>(), ["no", "007", "on"]);
    let phrases: Vec<&str> = pack.flows["a"].start_when.phrases.0[&None]
        .iter()
        .map(|(t, _)| t.as_str())
        .collect();
    assert_eq!(phrases, ["yes", "0049", "1.50"]);
    let StepKind::Set { values } = &pack.flows["a"].blocks[0].steps[0].kind else {
        panic!()
    };
    let Arg::Literal { source, .. } = &values[0].1 else {
        panic!()
    };
    assert_eq!(source, "0049");
}

#[test]
fn a_byte_order_mark_is_accepted_and_utf16_is_not() {
    sound(&[("a.flow.yaml", "\u{feff}version: 1\n")]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pack.yaml"), HEAD).unwrap();
    let utf16: Vec<u8> = "\u{feff}version: 1\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(folder.path().join("a.flow.yaml"), utf16).unwrap();
    fs::write(
        folder.path().join("b.flow.yaml"),
        b"version: 1\nresponses: {a: caf\xe9 au lait}\n",
    )
    .unwrap();
    fs::write(folder.path().join("c.flow.yaml"), "# nothing\n").unwrap();
    let list = load_dir(folder.path()).diagnostics;
    let found: Vec<_> = list
        .iter()
        .map(|d| (d.code, d.file.as_str(), d.line))
        .collect();
    assert_eq!(
        found,
        [
            ("encoding", "a.flow.yaml", 1),
            ("encoding", "b.flow.yaml", 2),
            ("empty-file", "c.flow.yaml", 1)
        ],
        "{}",
        shown(&list)
    );
}

#[test]
fn a_file_of_50_mb_is_refused_quickly() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pack.yaml"), HEAD).unwrap();
    let file = fs::File::create(folder.path().join("big.flow.yaml")).unwrap();
    file.set_len(50 << 20).unwrap();
    let start = std::time::Instant::now();
    let list = load_dir(folder.path()).diagnostics;
    assert_eq!(list[0].code, "file-limit");
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn a_missing_folder_and_a_folder_without_a_pack_are_told() {
    let report = check_dir(std::path::Path::new("/nowhere/at/all"));
    assert_eq!(
        (report.errors, report.diagnostics[0].code),
        (1, "pack-missing")
    );
    let folder = tempfile::tempdir().unwrap();
    let report = check_dir(folder.path());
    assert_eq!(
        (report.passed(), report.diagnostics[0].code),
        (false, "pack-missing")
    );
    assert_eq!(report.diagnostics[0].file, "pack.yaml");
}

#[cfg(unix)]
#[test]
fn nothing_outside_the_folder_is_read() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.flow.yaml"), "version: 1\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pack.yaml"), HEAD).unwrap();
    let link = |from: &str, to: &str| {
        std::os::unix::fs::symlink(outside.path().join(from), folder.path().join(to)).unwrap();
    };
    link("secret.flow.yaml", "a.flow.yaml");
    link("", "more");
    let list = load_dir(folder.path()).diagnostics;
    assert_eq!(
        list.iter().map(|d| d.code).collect::<Vec<_>>(),
        ["path-outside", "path-outside"]
    );
    for path in [
        "../a.flow.yaml",
        "/etc/a.flow.yaml",
        "x/../../a.flow.yaml",
        "a\\b.flow.yaml",
    ] {
        assert_eq!(codes(&[(path, "version: 1\n")]), ["path-outside"], "{path}");
    }
}

#[test]
fn deep_long_and_repeated_yaml_is_cut_off() {
    let deep = format!("responses: {}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(!codes(&[("a.flow.yaml", &deep)]).is_empty());
    let nested = format!(
        "responses:\n{}",
        (1..400)
            .map(|n| format!("{}a:\n", " ".repeat(n)))
            .collect::<String>()
    );
    assert!(!codes(&[("a.flow.yaml", &nested)]).is_empty());
    let long = format!("responses: {{a: \"{}\"}}", "1 + ".repeat(200_000));
    sound(&[("a.flow.yaml", &long)]);
    let chained = format!(
        "responses: {{a: \"{{{{ {}1 }}}}\"}}",
        "1 + ".repeat(200_000)
    );
    assert_eq!(codes(&[("a.flow.yaml", &chained)]), ["template-limit"]);
    let selfish = "responses:\n  a: &a {en: *a}\n";
    assert!(!codes(&[("a.flow.yaml", selfish)]).is_empty());
    let steps = |depth: usize| {
        let open = "[{if: qty, then: ".repeat(depth);
        let close = "}]".repeat(depth);
        format!(
            "slots: {{qty: {{type: integer}}}}\nflows: {{a: {{steps: {open}[{{say: Hello there.}}]{close}}}}}"
        )
    };
    assert!(
        codes(&[("a.flow.yaml", &steps(10))])
            .iter()
            .all(|c| *c != "yaml-limit")
    );
    assert!(codes(&[("a.flow.yaml", &steps(200))]).contains(&"yaml-limit"));
}

#[test]
fn aliases_may_be_used_with_measure() {
    let pack = sound(&[(
        "a.flow.yaml",
        "responses:\n  a: &bye Good bye then.\n  b: *bye\nflows:\n  f:\n    start_when: {phrases: [bye bye]}\n    steps: [{say: a}, {say: b}]\n",
    )]);
    let words = |name: &str| {
        let text = pack.responses[name].variations[0]
            .message
            .text
            .clone()
            .unwrap();
        text.0.values().next().unwrap().source.to_string()
    };
    assert_eq!(
        (words("a"), words("b")),
        ("Good bye then.".to_owned(), "Good bye then.".to_owned())
    );
}

#[test]
fn texts_change_the_hash_and_not_the_structure() {
    let base = "slots: {n: {type: integer, min: 1}}\nresponses:\n  hi: Hello there.\nflows:\n  a:\n    title: greeting\n    start_when: {phrases: [hello bot]}\n    steps:\n      - say: hi\n      - collect: n\n        ask: How many are there?\n      - say: {text: 'Take {{ n }}.', buttons: [{label: Again, start: a}]}\n";
    let of = |text: &str| {
        let pack = sound(&[("a.flow.yaml", text)]);
        (pack.hash, pack.structure)
    };
    let (hash, structure) = of(base);
    for (from, to) in [
        ("Hello there.", "Good day."),
        ("title: greeting", "title: welcome"),
        ("How many are there?", "How many?"),
        ("label: Again", "label: Once more"),
        ("Take {{ n }}.", "You take {{ n }} of them."),
        ("version", "version"),
    ] {
        let (changed, same) = of(&base.replace(from, to));
        assert_eq!(changed == hash, from == to, "{from}");
        assert_eq!(same, structure, "{from}");
    }
    let (_, same) = of(&format!("# a comment\nversion: 1\n{base}"));
    assert_eq!(same, structure);
    for (from, to) in [
        ("min: 1", "min: 2"),
        ("- say: hi", "- say: hi\n      - tag: greeted"),
        ("start: a", "value: a"),
        ("hello bot", "hello there bot"),
        ("collect: n\n", "collect: n\n        optional: true\n"),
    ] {
        let (_, changed) = of(&base.replace(from, to));
        assert_ne!(changed, structure, "{from}");
    }
}

#[test]
fn everything_a_step_may_be_is_read() {
    let flow = r#"
version: 1
slots:
  qty: {type: integer}
  when: {type: datetime}
  why: {type: choice, options: {late: {label: Too late, synonyms: [delayed]}, other: Something else}}
  size: {type: choice, options: [S, M, L]}
  item: {type: object}
  answer_of: {type: object, source: plugin}
  question: {type: text}
responses:
  hello_all: Hello, all of you.
faqs:
  delivery: {title: Delivery, items: {cost: {title: Costs, answer: hello_all}}}
flows:
  other:
    callable_only: true
    steps: [{end: done}]
  main:
    title: everything
    start_when:
      event: warranty_expiring
      page: /cart*
      after: 30s
      media: voice
    steps:
      - say: {text: Look, image: "https://x.test/a.png", file: {url: "https://x.test/a.pdf", name: Manual}}
      - say: {cards: [{title: A card, url: "https://x.test"}]}
      - {say: On its way., via: sms, to: "{{ contact.phone }}"}
      - id: ask_qty
        collect: qty
        ask: {text: How many?, buttons: [{label: One, value: 1}, {label: Docs, url: "https://x.test"}, {label: Jump, goto: ask_qty}]}
        timeout: {after: 10m, say: Are you there?, times: 2, then: [{end: gone}]}
        always_ask: true
      - collect: size
        ask: Which size?
      - collect: when
        ask: When shall we come?
      - collect: why
        ask: Why is that?
      - collect: question
        ask: What would you like to know?
      - switch: why
        cases: {late: [{say: I am sorry.}], other: [{tag: odd}]}
        else: [{tag: [odd, new]}]
      - switch: qty
        cases: {1: [{say: Just one.}]}
      - menu: what_next
        ask: What next?
        options:
          - {label: Track it, phrases: [where is it], then: [{call: other}]}
          - {label: Nothing, if: qty > 1}
        else: [{goto: ask_qty, max: 1}]
      - faq: delivery
      - faq:
      - {call: other, with: {qty: 2}, save: question}
      - plugin: crm.lookup
        with: {name: "{{ contact.name }}", deep: {list: [1, two, "{{ qty }}"]}}
        save: answer_of
        on_error: [{say: Never mind.}]
      - answer:
      - {answer: "{{ question }}", tags: [delivery]}
      - answer: question
      - answer: knowledge
      - wait: {for: 1h}
      - wait: {event: paid, for: 1d, on_timeout: [{say: Still waiting.}]}
      - ticket: {title: Call back, fields: {qty: "{{ qty }}"}, skill: general}
        via: mail
      - {remind: Do not forget it., at: "{{ when }}", quiet_hours: "22:00-08:00", unless: qty is none}
      - handoff: {skill: general, priority: high, mode: callback, tags: vip}
      - handoff:
      - {if: qty is not none and when > now, say: Soon.}
      - {if: "not qty", then: [{link: other, with: {qty: "{{ qty or 1 }}"}}], else: [{set: {qty: null, why: late}}]}
      - form: all
        collect:
          - id: field_item
            collect: item
            ask: Which one?
            options_from: answer_of.items
            label: "{{ it.name }}"
            on_give_up: [{say: Then not.}]
        confirm: Is that all right?
      - end: resolved
"#;
    let crm = r#"{"name": "crm", "version": "1", "methods": {"action.lookup": {}}}"#;
    let loaded = with(&[("main.flow.yaml", flow), ("plugins/crm.json", crm)]);
    let odd: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity < Severity::Note)
        .cloned()
        .collect();
    assert!(odd.is_empty(), "{}", shown(&odd));
    let pack = loaded.pack.unwrap();
    let main = &pack.flows["main"];
    assert_eq!(main.start_when.media.as_deref(), Some("audio"));
    assert_eq!(
        main.start_when.page.as_ref().unwrap().after.unwrap().ms,
        30_000
    );
    let steps = &main.blocks[0].steps;
    let kinds: Vec<&str> = steps.iter().map(|s| s.kind.key()).collect();
    assert_eq!(kinds.len(), 29, "{kinds:?}");
    let StepKind::Collect(ask) = &steps[3].kind else {
        panic!()
    };
    let Some(Say::Inline(ask)) = &ask.ask else {
        panic!()
    };
    assert!(matches!(
        ask.variations[0].message.buttons[2].action,
        ButtonAction::Goto(_)
    ));
    let form = steps.iter().position(|s| s.kind.key() == "form").unwrap();
    assert_eq!(main.ids["field_item"].index as usize, form);
    let gave_up = main
        .blocks
        .iter()
        .find(|b| b.label == "on_give_up")
        .unwrap();
    assert_eq!(gave_up.then, AfterBlock::Parent);
    let StepKind::Goto { target, .. } = &main
        .blocks
        .iter()
        .flat_map(|b| &b.steps)
        .find(|s| s.kind.key() == "goto")
        .unwrap()
        .kind
    else {
        panic!()
    };
    assert_eq!(main.step(*target).unwrap().id.as_deref(), Some("ask_qty"));
}

#[test]
fn what_channels_cannot_show_is_a_warning() {
    let files = vec![
        ("pack.yaml".to_owned(), HEAD.to_owned()),
        (
            "a.flow.yaml".to_owned(),
            "flows:\n  a:\n    start_when: {phrases: [hello bot]}\n    steps:\n      - say: {text: Hi., buttons: [{label: A label far too long for a button, start: a}, {label: B, start: a}]}\n".to_owned(),
        ),
    ];
    let options = Options {
        channels: vec![ChannelLimit {
            channel: "tiny".into(),
            label: 20,
            count: 1,
        }],
    };
    let list = load_files_with(files.clone(), &options).diagnostics;
    let codes: Vec<_> = list
        .iter()
        .filter(|d| d.severity == Severity::Warning)
        .map(|d| d.code)
        .collect();
    assert_eq!(codes, ["channel-limit", "channel-limit"]);
    assert!(
        load_files(files)
            .diagnostics
            .iter()
            .all(|d| d.code != "channel-limit")
    );
}

#[test]
fn warnings_do_not_keep_a_pack_from_loading() {
    let loaded = load_files(vec![
        ("pack.yaml".to_owned(), "name: shop\nlocales: [en, zh]\n".to_owned()),
        (
            "a.flow.yaml".to_owned(),
            "slots: {spare: {type: text}}\nresponses: {unsaid: {en: Never said.}}\nflows:\n  a:\n    start_when: {phrases: {en: [hello there]}}\n    steps:\n      - end: done\n      - say: Only English.\n  b:\n    start_when: {phrases: [Hello There!]}\n    steps: [{say: {en: Yes., zh: 好。}}]\n".to_owned(),
        ),
    ]);
    assert!(loaded.pack.is_some(), "{}", shown(&loaded.diagnostics));
    let mut codes: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Warning)
        .map(|d| d.code)
        .collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(
        codes,
        [
            "missing-translation",
            "plain-text",
            "same-phrase",
            "unreachable",
            "unused-response",
            "unused-slot"
        ]
    );
}

#[test]
fn a_caret_stands_under_wide_characters() {
    let loaded = with(&[(
        "a.flow.yaml",
        "responses:\n  a: 您好，{{ 名 }}，{{ nmae }}再见\n",
    )]);
    let text = shown(&loaded.diagnostics);
    assert!(!loaded.diagnostics.is_empty(), "{text}");
    let loaded = with(&[(
        "a.flow.yaml",
        "slots: {name: {type: text}}\nresponses:\n  a: 您好，{{ nmae }}再见\n",
    )]);
    let error = &loaded.diagnostics[0];
    assert_eq!(
        (error.code, error.line, error.column, error.len),
        ("unknown-name", 3, 12, 4)
    );
    let lines: Vec<String> = error
        .render_human(Lang::Zh, false)
        .lines()
        .map(str::to_owned)
        .collect();
    // Three wide characters before the name take two cells each.
    assert_eq!(
        lines[4].find('^').unwrap() - lines[3].find("  a:").unwrap(),
        2 + 3 + 6 + 3
    );
}

#[test]
fn positions_inside_block_texts_are_those_of_the_file() {
    let text = "slots: {name: {type: text}}\nresponses:\n  a: |\n    Hello,\n    dear {{ nmae }}\n";
    let loaded = with(&[("a.flow.yaml", text)]);
    let error = &loaded.diagnostics[0];
    assert_eq!(
        (error.line, error.column, error.len),
        (5, 13, 4),
        "{}",
        shown(&loaded.diagnostics)
    );
}

const CONTRACT: &str = include_str!("packs/contract/main.flow.yaml");

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC{0,400}") {
        let loaded = with(&[("a.flow.yaml", &text)]);
        prop_assert!(loaded.pack.is_some() || !loaded.diagnostics.is_empty());
        for d in &loaded.diagnostics {
            prop_assert!(!d.render_human(Lang::Zh, true).is_empty());
        }
    }

    #[test]
    fn no_slip_in_a_sound_file_makes_the_loader_panic(
        at in 0..CONTRACT.len(),
        cut in 0_usize..40,
        put in prop_oneof![
            Just(String::new()), Just("\t".into()), Just("{{".into()), Just("}".into()), Just("'".into()),
            Just(": ".into()), Just("\n".into()), Just("- ".into()), Just("&a *a ".into()), Just("\u{202e}\u{0}".into()),
            "[a-z{}\\[\\]:|<>%#*&!-]{1,6}",
        ],
    ) {
        let start = (0..=at).rev().find(|i| CONTRACT.is_char_boundary(*i)).unwrap();
        let end = (start + cut..=CONTRACT.len()).find(|i| CONTRACT.is_char_boundary(*i)).unwrap_or(CONTRACT.len());
        let text = format!("{}{put}{}", &CONTRACT[..start], &CONTRACT[end..]);
        let loaded = with(&[("a.flow.yaml", &text)]);
        prop_assert!(loaded.pack.is_some() || !loaded.diagnostics.is_empty());
        for d in &loaded.diagnostics {
            prop_assert!(d.line >= 1 && d.column >= 1 && !d.file.is_empty());
            prop_assert!(!d.render_human(Lang::En, false).is_empty());
        }
    }
}

#[test]
fn places_count_the_files_of_the_pack() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("pack.yaml", HEAD);
    write("a.yaml", "nothing here is read\n");
    write(
        "b.flow.yaml",
        "flows:\n  a:\n    start_when: {phrases: [hello bot]}\n    steps: [{say: Hi there.}]\n",
    );
    let loaded = load_dir(folder.path());
    assert_eq!(loaded.diagnostics[0].code, "ignored-file");
    let pack = loaded.pack.unwrap();
    let span = pack.flows["a"].span;
    assert_eq!(pack.files[span.file as usize].0, "b.flow.yaml");
    let shipped = pack.flows["cancelled"].span;
    assert!(pack.files.get(shipped.file as usize).is_none());
}
