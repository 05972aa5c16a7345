//! Packs nobody would write: every kind of step in any order, with any of its fields.

use proptest::prelude::*;

/// What the steps ask for. One of each type.
const SLOTS: &str = r"
slots:
  name: {type: text}
  story: {type: text, min_length: 5, keep: conversation}
  code: {type: text, match: '^\d{8}$', prepare: tidy.digits}
  mail: {type: email, sensitive: true, keep: contact}
  count: {type: integer, min: 1, max: 9}
  price: {type: number}
  gift: {type: boolean}
  day: {type: date}
  hour: {type: time}
  reason: {type: choice, options: {damaged: Arrived damaged, unwanted: No longer wanted}}
  photo: {type: file, accept: [image/*]}
  item: {type: object}
  wishes: {type: list}
  found: {type: object, source: http}
  outcome: {type: text, source: lua}
faqs:
  delivery:
    title: Delivery
    items:
      cost: {title: Delivery costs, phrases: [how much is delivery], answer: It is free.}
      where: {title: Find it, start: beta}
handoff_triggers:
  - {phrases: [talk to a human], skill: general, hours: never}
  - {if: message.sentiment < -0.6 and repair.count >= 1, skill: general}
";

const HEAD: &str = "name: random\nlocales: [en, zh]\nlimits: {repair: 30, steps_per_turn: 60}\n";
const DESK: &str = "skills: [general]\nhours: {never: {holidays: [2025-01-01]}}\n";
const SHOP: &str = "connections:
  shop:
    base_url: https://shop.example.test
    operations: {find: {method: GET, path: /find}, buy: {method: POST, path: /buy}}
";
const LUA: &str = r#"local tidy = {}
function tidy.digits(value)
  local digits = string.gsub(value, "%D", "")
  if #digits == 0 then return nil, "Digits, please." end
  return digits
end
function tidy.even(value, around)
  if value % 2 == 1 then return nil, { en = "An even number.", zh = "请输入偶数。" } end
  return value
end
function tidy.join(args) return tostring(args.a) .. "!" end
return tidy
"#;
const ARTICLE: &str = "---\ntitle: Bulbs\n---\nThe Moon lamp takes an E14 light bulb.\n";

/// One question with its fields.
fn question() -> impl Strategy<Value = String> {
    let slot = prop::sample::select(
        &[
            "name", "story", "code", "mail", "count", "price", "gift", "day", "hour", "reason",
            "photo", "item", "wishes",
        ][..],
    );
    let field = prop::sample::select(
        &[
            "",
            "optional: true",
            "always_ask: true",
            "digressions: false",
            "max_attempts: 2, on_give_up: [{say: Then not.}]",
            "max_attempts: 1",
            "timeout: {after: 5m, say: Still there?, times: 2, then: [{tag: silent}]}",
            "timeout: {after: 1d, then: [{end: gone}]}",
        ][..],
    );
    (slot, field, any::<bool>()).prop_map(|(slot, field, strict)| {
        let mut all = vec![format!("collect: {slot}, ask: 'The {slot}, please?'")];
        if !field.is_empty() {
            all.push(field.to_owned());
        }
        match slot {
            "item" => all.push("options_from: found.lines, label: '{{ it.name }}'".to_owned()),
            "count" if strict => all.push("validate: [{lua: tidy.even}]".to_owned()),
            "price" if strict => {
                all.push(
                    "validate: [{must: price < 100, say: Too dear., then: [{say: So be it.}]}]"
                        .to_owned(),
                );
            }
            _ => {}
        }
        all.join(", ")
    })
}

/// A step in braces; `at` is how deep it stands.
fn step(depth: u32) -> BoxedStrategy<String> {
    let plain = prop_oneof![
        6 => question().prop_map(|q| format!("{{{q}}}")),
        2 => (prop::collection::vec(question(), 1..4), any::<bool>(), any::<bool>()).prop_map(|(fields, confirm, rule)| {
            let fields: Vec<String> = fields.iter().map(|q| format!("{{{q}}}")).collect();
            let confirm = if confirm { ", confirm: 'All right, {{ name }}?'" } else { "" };
            let rule = if rule { ", validate: [{must: count < 5 or reason == 'damaged', say: At most five.}]" } else { "" };
            format!("{{form: all_of_it, collect: [{}]{confirm}{rule}}}", fields.join(", "))
        }),
        8 => prop::sample::select(&[
            "{say: 'Hello {{ name }}, {{ day | date }}.'}",
            "{say: {text: Choose., buttons: [{label: Red, value: red}, {label: Start beta, start: beta}, {label: Again, goto: first}]}}",
            "{if: count > 2, say: More than two.}",
            "{set: {name: null, count: 3}}",
            "{set: {reason: damaged}}",
            "{goto: first, max: 2}",
            "{goto: first, max: 1, else: [{say: Enough of it.}]}",
            "{call: helper, with: {name: Ann}, save: outcome}",
            "{link: helper}",
            "{http: shop.find, with: {n: '{{ code }}'}, save: found}",
            "{http: shop.find, save: found, on_error: {404: [{set: {code: null}}], other: [{say: Not now.}]}}",
            "{http: shop.buy, effect: write, once_per: [code], with: {n: '{{ count }}'}}",
            "{lua: tidy.join, with: {a: '{{ count }}'}, save: outcome, on_error: [{say: No luck.}]}",
            "{plugin: parcel.track, with: {n: '{{ code }}'}, save: found, on_error: {404: [{set: {code: null}}], other: [{say: Not now.}]}}",
            "{plugin: parcel.book, effect: write, once_per: [code], retry: 1, timeout: 2s, with: {n: 3}}",
            "{answer: knowledge}",
            "{faq: delivery}",
            "{handoff: general, priority: '{{ name }}'}",
            "{handoff: general, hours: never, when_closed: [{say: We are closed.}]}",
            "{handoff: general, max_wait: 5m, on_timeout: [{say: Still waiting.}], after: [{collect: count, ask: 'How was it, 1 to 9?', always_ask: true}]}",
            "{handoff: general, mode: ticket}",
            "{ticket: {title: 'For {{ name }}'}}",
            "{wait: {for: 1h}}",
            "{wait: {event: paid, for: 1d, on_timeout: [{say: Not paid.}]}}",
            "{remind: 'Remember {{ name }}.', after: 2d, unless: gift, refresh: [{http: shop.find, save: found}]}",
            "{tag: odd}",
            "{end: done}",
            "{end: resolved}",
        ][..]).prop_map(str::to_owned),
    ];
    if depth == 0 {
        return plain.boxed();
    }
    let list = || {
        prop::collection::vec(step(depth - 1), 1..3)
            .prop_map(|steps| format!("[{}]", steps.join(", ")))
    };
    prop_oneof![
        6 => plain,
        1 => (list(), list()).prop_map(|(a, b)| format!("{{if: count > 2 or gift, then: {a}, else: {b}}}")),
        1 => (list(), list()).prop_map(|(a, b)| format!("{{switch: reason, cases: {{damaged: {a}}}, else: {b}}}")),
        1 => (list(), list()).prop_map(|(a, b)| format!(
            "{{menu: what_now, ask: What now?, options: [{{label: The first, phrases: [one way], then: {a}}}, {{label: The second}}], else: {b}}}"
        )),
    ]
    .boxed()
}

const PARCEL: &str = r#"{"name": "parcel", "version": "0.3.0", "methods": {
  "action.track": {"params": {"type": "object"}}, "action.book": {"idempotent": true}}}"#;

/// The files of a pack whose flows are called `alpha`, `beta` and `helper`.
pub fn files() -> impl Strategy<Value = Vec<(String, String)>> {
    let steps = |most| prop::collection::vec(step(1), 1..most);
    (steps(6), steps(5), steps(4)).prop_map(|(alpha, beta, helper)| {
        let flow = |name: &str, start: &str, steps: &[String]| {
            // A jump needs a place; a question before it lets a loop end.
            let steps: String = steps.iter().map(|s| format!("      - {s}\n")).collect();
            format!(
                "  {name}:\n    title: {name}\n    {start}\n    steps:\n      - {{id: first, tag: {name}}}\n{steps}"
            )
        };
        // A flow that calls itself is refused.
        let helper: Vec<String> = helper
            .iter()
            .map(|s| {
                s.replace("{call: helper, with: {name: Ann}, save: outcome}", "{tag: called}")
                    .replace("{link: helper}", "{tag: linked}")
            })
            .collect();
        let text = format!(
            "version: 1\n{SLOTS}flows:\n{}{}{}",
            flow("alpha", "start_when: {phrases: [send it back, where is my order, 我要退货], event: paid_late}", &alpha),
            flow("beta", "start_when: {phrases: [I want to complain, cancel everything], page: /cart*, media: image}", &beta),
            flow("helper", "callable_only: true", &helper),
        );
        [
            ("pack.yaml", HEAD),
            ("desk.yaml", DESK),
            ("connections.yaml", SHOP),
            ("tidy.luau", LUA),
            ("plugins/parcel.json", PARCEL),
            ("knowledge/bulbs.md", ARTICLE),
            ("main.flow.yaml", text.as_str()),
        ]
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into()
    })
}
