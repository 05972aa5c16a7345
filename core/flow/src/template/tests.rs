use serde_json::json;

use super::*;

fn vars() -> Map {
    json!({
        "qty": 2, "name": "Ann", "none_here": null, "reason": "damaged", "price": 3.0,
        "order": {"status": "shipped", "eta": "2025-03-17", "lines": [{"name": "Lamp", "qty": 2}],
                  "delivered_at": "2025-02-25T18:30:00Z"},
        "evil": "{{ qty }}<b>", "family": "👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦", "code": "10",
    })
    .as_object()
    .unwrap()
    .clone()
}

fn in_scope<T>(locale: &str, run: impl FnOnce(&Scope<'_>) -> T) -> T {
    let vars = vars();
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let now: jiff::Timestamp = "2025-03-03T09:00:00Z".parse().unwrap();
    let locale = Locale::new(locale);
    run(&Scope::new(&vars, now.into(), &zone, &locale))
}

fn eval(source: &str) -> Value {
    try_eval(source).unwrap()
}

fn try_eval(source: &str) -> Result<Value, TemplateError> {
    let mut templates = Templates::new();
    let expr = templates.expr(source, Span::default())?;
    in_scope("en", |scope| templates.eval(&expr, scope))
}

fn test(source: &str) -> bool {
    let mut templates = Templates::new();
    let expr = templates.expr(source, Span::default()).unwrap();
    in_scope("en", |scope| templates.test(&expr, scope)).unwrap()
}

fn try_render(locale: &str, source: &str) -> Result<String, TemplateError> {
    let mut templates = Templates::new();
    let text = templates.text(source, Span::default())?;
    in_scope(locale, |scope| templates.render(&text, scope))
}

fn render(source: &str) -> String {
    try_render("en", source).unwrap()
}

#[test]
fn an_ordering_comparison_with_an_empty_value_is_false_and_noted() {
    for sign in ["<", "<=", ">", ">="] {
        for (left, right) in [
            ("none", "1"),
            ("missing", "1"),
            ("1", "order.gone"),
            ("missing", "none_here"),
        ] {
            assert!(
                !test(&format!("{left} {sign} {right}")),
                "{left} {sign} {right}"
            );
        }
    }
    assert!(!test("1 < missing < 3"));
    assert!(test("1 < qty < 3"));
    let mut templates = Templates::new();
    let expr = templates
        .expr("order.gone <= qty + 1", Span::default())
        .unwrap();
    let notes = in_scope("en", |scope| {
        templates.eval(&expr, scope).unwrap();
        scope.notes()
    });
    assert_eq!(notes, ["order.gone <= (qty + 1): the left side is empty"]);
}

#[test]
fn a_missing_field_counts_as_none() {
    for truth in [
        "order.gone is none",
        "order.gone == none",
        "order.gone.deeper is none",
        "none_here.field is none",
        "missing == none",
        "order.gone == none_here",
        "order.gone is not defined",
        "order.status is not none",
        "order.status != none",
        "not (order.gone != none)",
    ] {
        assert!(test(truth), "{truth}");
    }
}

#[test]
fn text_is_not_compared_with_numbers() {
    assert!(!test("code > 1"));
    assert!(!test("code < 1"));
    assert!(test("code | int > 1"));
}

#[test]
fn membership_takes_empty_lists() {
    assert!(!test("'x' in order.gone"));
    assert!(test("'x' not in order.gone"));
    assert!(test("'damaged' in [reason, name]"));
    assert!(test("'ship' in order.status"));
    assert!(test("reason is in ['damaged']"));
}

#[test]
fn dates_compare_as_dates() {
    assert!(test("order.eta > now"));
    assert!(test("order.eta > '2025-03-16T23:00:00+01:00'"));
    assert_eq!(eval("order.delivered_at | days_ago"), json!(6));
    assert_eq!(eval("order.eta | days_until"), json!(14));
    assert!(test(
        "reason == 'damaged' or (order.delivered_at | days_ago) <= 30"
    ));
    assert!(!test("(order.gone | days_ago) <= 30"));
}

#[test]
fn values_keep_their_type() {
    assert_eq!(eval("qty or 1"), json!(2));
    assert_eq!(eval("none_here or 1"), json!(1));
    assert_eq!(eval("order.lines"), json!([{"name": "Lamp", "qty": 2}]));
    assert_eq!(eval("qty * 2 + 1"), json!(5));
    assert_eq!(eval("qty / 4"), json!(0.5));
    assert_eq!(
        eval("{'a': [1, none, true]}"),
        json!({"a": [1, null, true]})
    );
    assert_eq!(eval("'urgent' if qty >= 2 else 'high'"), json!("urgent"));
    let mut templates = Templates::new();
    let single = templates.text("{{ qty or 1 }}", Span::default()).unwrap();
    let mixed = templates.text("no. {{ qty }}", Span::default()).unwrap();
    let plain = templates.text("007", Span::default()).unwrap();
    in_scope("en", |scope| {
        assert!(single.single);
        assert_eq!(templates.value(&single, scope).unwrap(), json!(2));
        assert_eq!(templates.render(&single, scope).unwrap(), "2");
        assert_eq!(templates.value(&mixed, scope).unwrap(), json!("no. 2"));
        assert_eq!(plain.literal.as_deref(), Some("007"));
        assert_eq!(templates.value(&plain, scope).unwrap(), json!("007"));
    });
}

#[test]
fn texts_are_plain_and_never_rendered_again() {
    assert_eq!(render("{{ evil }}"), "{{ qty }}<b>");
    assert_eq!(render("> {{ evil }}"), "> {{ qty }}<b>");
    assert_eq!(render("[{{ missing }}{{ none_here }}]"), "[]");
    assert_eq!(
        render("{{ price }} {{ order.lines | map('upper') | length }}"),
        "3 1"
    );
    assert_eq!(
        render("a {% raw %}{{ x }}{% endraw %} {{ qty }}"),
        "a {{ x }} 2"
    );
    assert_eq!(render("Hi {# note #}{{ name }}"), "Hi Ann");
    assert_eq!(
        render(
            "{% for l in order.lines %}{{ loop.index }}. {{ l.name }}{% endfor %}{% if qty > 1 %}!{% elif qty %}?{% else %}.{% endif %}"
        ),
        "1. Lamp!"
    );
}

#[test]
fn dates_and_lengths_follow_the_locale() {
    assert_eq!(render("by {{ order.eta | date }}"), "by 17 March 2025");
    assert_eq!(
        try_render("zh", "{{ order.eta | date }}前").unwrap(),
        "2025年3月17日前"
    );
    assert_eq!(
        render("{{ order.delivered_at | datetime }}."),
        "25 February 2025, 19:30."
    );
    assert_eq!(render("{{ order.delivered_at | time }}"), "19:30");
    assert_eq!(render("{{ order.eta | date('%d.%m.%Y') }}"), "17.03.2025");
    assert_eq!(render("{{ name | date }}{{ none_here | date }}"), "Ann");
    assert_eq!(render("{{ family | truncate(2) }}"), "👨‍👩‍👧‍👦…");
    assert_eq!(render("{{ family | length }}"), "3");
    assert_eq!(render("{{ 'short' | truncate(5) }}"), "short");
    assert_eq!(
        render("{{ 1234.5 | money('EUR') }}, {{ 12 | money('CHF') }}"),
        "€1,234.50, 12.00 CHF"
    );
}

#[test]
fn what_grows_without_bound_is_stopped() {
    for bomb in [
        "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in range(1000000000) %}x{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{% set x = 'xxxxxxxxxxxxxxxx' %}{% for a in range(900) %}{{ x * 4000 }}{% endfor %}",
        "{{ [1] * 100000 }}",
        "{{ 10 ** 400 }}",
        "{{ ('x' * 60000) | replace('x', 'x' * 60000) }}",
    ] {
        let error = try_render("en", bomb).unwrap_err();
        assert!(
            ["template-run", "template-limit"].contains(&error.code),
            "{bomb}: {error:?}"
        );
    }
    let mut doubling = "{% set x = 'x' %}".to_owned();
    let mut lists = "{% set x = [1] %}".to_owned();
    for _ in 0..40 {
        doubling.push_str("{% set x = x ~ x %}");
        lists.push_str("{% set x = x + x %}");
    }
    assert!(try_render("en", &format!("{doubling}{{{{ x | length }}}}")).is_err());
    assert!(try_render("en", &format!("{lists}{{{{ x | length }}}}")).is_err());
}

#[test]
fn what_a_pack_may_not_use_is_refused_when_it_is_loaded() {
    for (source, code) in [
        (
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "template-refused",
        ),
        ("{% include 'x' %}", "template-refused"),
        ("{% import 'x' as y %}", "template-refused"),
        ("{% extends 'x' %}", "template-refused"),
        ("{% block a %}{% endblock %}", "template-refused"),
        (
            "{% for a in b recursive %}{{ loop(a) }}{% endfor %}",
            "template-refused",
        ),
        ("{{ name.upper() }} x", "template-refused"),
        ("{{ __context }} x", "template-refused"),
        ("{{ name | shout }}", "template-name"),
        ("{{ name is nonne }}", "template-name"),
        ("{{ debug() }}", "template-name"),
        ("{{ name ", "template-syntax"),
        ("{{ a..b }}", "template-syntax"),
        ("{% if a %}x", "template-syntax"),
    ] {
        assert_eq!(try_render("en", source).unwrap_err().code, code, "{source}");
    }
    let long = vec!["1"; 100_000].join(" + ");
    assert_eq!(try_eval(&long).unwrap_err().code, "template-limit");
    let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(try_eval(&deep).is_err());
    let nested = "{% if a %}".repeat(5_000);
    assert!(try_render("en", &nested).is_err());
    let near = try_eval("name | trunctate(3)").unwrap_err();
    assert_eq!(near.hint.unwrap().0, "did you mean `truncate`?");
}

#[test]
fn an_analysis_names_variables_fields_and_comparisons() {
    let mut templates = Templates::new();
    let expr = templates
        .expr(
            "order.satus == 'x' and 1 < qty <= item.qty",
            Span::default(),
        )
        .unwrap();
    let found = templates.analysis(&expr);
    let names: Vec<_> = found
        .names
        .iter()
        .map(|n| (n.name.as_str(), n.offset))
        .collect();
    assert_eq!(names, [("order", 0), ("qty", 27), ("item", 34)]);
    let paths: Vec<_> = found
        .paths
        .iter()
        .map(|p| (p.path.join("."), p.offset))
        .collect();
    assert_eq!(
        paths,
        [("order.satus".to_owned(), 6), ("item.qty".to_owned(), 39)]
    );
    assert_eq!(found.comparisons.len(), 3);
    let text = templates
        .text(
            "{% for l in lines %}{{ l.a }}{% endfor %}{{ reason | label }}",
            Span::default(),
        )
        .unwrap();
    let found = templates.text_analysis(&text).unwrap();
    assert_eq!(
        found
            .names
            .iter()
            .map(|n| n.name.as_str())
            .collect::<Vec<_>>(),
        ["lines", "reason"]
    );
    assert_eq!(found.labels, ["reason"]);
    assert!(found.paths.is_empty());
}

#[test]
fn a_label_comes_from_the_lookup() {
    struct Labelled(Map);
    impl Lookup for Labelled {
        fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
            Lookup::get(&self.0, name)
        }
        fn label(&self, slot: &str, value: &Value) -> Option<String> {
            Some(format!("{slot}={}", value.as_str()?))
        }
    }
    let (vars, zone, locale) = (Labelled(vars()), jiff::tz::TimeZone::UTC, Locale::new("en"));
    let mut templates = Templates::new();
    let text = templates
        .text("({{ reason | label }})", Span::default())
        .unwrap();
    let scope = Scope::new(&vars, Timestamp(0), &zone, &locale);
    assert_eq!(templates.render(&text, &scope).unwrap(), "(reason=damaged)");
}

#[test]
fn a_quick_condition_says_what_the_machine_says() {
    let values = [
        "0",
        "1",
        "-1",
        "2.5",
        "1.0",
        "-0.6",
        "9007199254740993",
        "-9223372036854775808",
        "true",
        "null",
        "\"\"",
        "\"1\"",
        "[]",
        "{\"n\": 1}",
    ];
    let conditions = [
        "a < b",
        "a <= b",
        "a > b",
        "a >= b",
        "a == b",
        "a != b",
        "not a < b",
        "a > 0 and b > 0",
        "a > 0 or b > 0",
        "a < -0.5",
        "a == 1 and (b == 1 or b < 0)",
        "o.n >= a",
        "o.none < a",
        "a.n == 1",
        "missing > a",
        "not (a > b and b > a)",
    ];
    let (zone, locale) = (jiff::tz::TimeZone::UTC, Locale::new("en"));
    let mut templates = Templates::new();
    let mut quick = 0;
    for condition in conditions {
        let expr = templates.expr(condition, Span::default()).unwrap();
        for a in values {
            for b in values {
                let vars = format!("{{\"a\": {a}, \"b\": {b}, \"o\": {{\"n\": 2}}}}");
                let vars: Map = serde_json::from_str(&vars).unwrap();
                let scope = Scope::new(&vars, Timestamp(0), &zone, &locale);
                let known = templates.compiled[expr.id as usize].quick.as_ref();
                let said = known.expect(condition).holds(&vars);
                let machine = templates.raw(expr.id, &scope).unwrap().is_true();
                quick += u32::from(said.is_some());
                assert!(
                    said.is_none_or(|said| said == machine),
                    "{condition}: {vars:?}"
                );
            }
        }
    }
    assert!(quick > 500, "{quick}");
    for slow in [
        "a in [1]",
        "a + 1 > 2",
        "a < b < 3",
        "a",
        "a | length > 1",
        "a == 'x'",
    ] {
        let expr = templates.expr(slow, Span::default()).unwrap();
        assert_eq!(templates.compiled[expr.id as usize].quick, None, "{slow}");
    }
}

#[test]
fn booleans_are_said_as_they_are_written() {
    assert_eq!(render("{{ qty == 2 }}, {{ qty == 3 }}"), "true, false");
    assert_eq!(render("{{ (qty == 2) ~ '!' }}"), "true!");
    assert_eq!(render("{{ [qty == 2, none] | join('/') }}"), "true/");
    let words = "{{ (qty == 2) | yesno }}, {{ (qty == 3) | yesno }}";
    assert_eq!(try_render("en", words).unwrap(), "yes, no");
    assert_eq!(try_render("zh", words).unwrap(), "是, 否");
    assert_eq!(render("{{ (qty == 2) | yesno('new', 'used') }}"), "new");
    assert_eq!(render("{{ missing | yesno }}"), "");
}
