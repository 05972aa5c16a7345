//! How long the entities of one message take, beside the whole reading of it.
//!
//! `cargo bench -p tandem-understanding --bench entities`

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tandem_domain::{
    Locale,
    reading::{Example, Target, Trainer, TrainingSet},
};
use tandem_entities::{OptionLabels, OptionList, Pattern, Recogniser};
use tandem_understanding::PhraseTrainer;

const MESSAGES: [(&str, &str); 5] = [
    (
        "five values",
        "my mail is ann@shop.com, please bring 2 lamps by Friday 3pm",
    ),
    (
        "none",
        "hi, could you tell me when my parcel gets here please",
    ),
    (
        "one",
        "I want to return the walnut desk I ordered three weeks ago",
    ),
    (
        "Chinese",
        "请问我的订单12345678什么时候能送到，下周五下午三点方便吗",
    ),
    (
        "Chinese, 60 characters",
        "你好，我上周三买的台灯坏了，订单12345678，付了二十块五，请退款到原来的卡上，电话13800138000谢谢",
    ),
];

fn recogniser() -> Recogniser {
    let patterns = [
        ("order_no", r"^\d{8}$"),
        ("article", r"^[A-Z]{2}-\d{3,5}$"),
        ("voucher", r"^[A-Z]{4}\d{4}$"),
    ];
    let patterns = patterns
        .iter()
        .map(|(name, pattern)| Pattern::new(name, pattern).expect("the pattern is a constant"))
        .collect();
    let colours = OptionList::new(
        "colour",
        vec![
            OptionLabels::new("navy", ["Navy blue", "藏青色"]),
            OptionLabels::new("walnut", ["Walnut", "胡桃木"]),
            OptionLabels::new("anthracite", ["Anthracite", "炭灰"]),
            OptionLabels::new("white", ["White", "白色"]),
        ],
    );
    Recogniser::with(patterns, vec![colours])
}

fn entities(c: &mut Criterion) {
    let recogniser = recogniser();
    let locale = Locale::new("en");
    let mut group = c.benchmark_group("entities");
    for (name, message) in MESSAGES {
        group.bench_function(name, |b| {
            b.iter(|| black_box(recogniser.read(black_box(message), &locale)));
        });
    }
    for length in [500, 1_000, 2_000, 4_000] {
        let message: String = MESSAGES[0]
            .1
            .chars()
            .chain([' '])
            .cycle()
            .take(length)
            .collect();
        group.bench_function(format!("{length} characters"), |b| {
            b.iter(|| black_box(recogniser.read(black_box(&message), &locale)));
        });
    }
    group.finish();
}

/// The whole of a reading, its entities in it, of a small pack.
fn reading(c: &mut Criterion) {
    let openings = [
        "where is", "cancel", "change", "return", "track", "pay for", "repair",
    ];
    let things = [
        "my order",
        "the lamp",
        "my address",
        "a gift card",
        "the invoice",
        "我的订单",
    ];
    let examples = openings
        .iter()
        .flat_map(|opening| {
            things.iter().map(move |thing| Example {
                target: Target::Flow((*opening).to_owned()),
                locale: None,
                text: format!("{opening} {thing}"),
            })
        })
        .collect();
    let model = PhraseTrainer.train(&TrainingSet {
        locales: vec![Locale::new("en"), Locale::new("zh")],
        examples,
        ..TrainingSet::default()
    });
    let locale = Locale::new("en");
    let mut group = c.benchmark_group("the whole reading");
    for (name, message) in MESSAGES {
        group.bench_function(name, |b| {
            b.iter(|| black_box(model.read(black_box(message), &locale)));
        });
    }
    group.finish();
}

criterion_group!(benches, entities, reading);
criterion_main!(benches);
