//! How long one message takes, by the size of the pack.
//!
//! `cargo bench -p tandem-understanding --bench read`

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tandem_domain::{
    Locale,
    reading::{Example, Target, TrainingSet, Understanding},
};
use tandem_understanding::PhraseTrainer;

const MESSAGES: [&str; 4] = [
    "hi, could you tell me when my parcel gets here please",
    "I want to change the colour of my desk lamp order",
    "请问我的订单什么时候能送到",
    "what's the weather on Mars",
];

/// Made-up phrases that share words as those of a shop do.
struct Phrases(u64);

impl Phrases {
    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        words[(self.0 % words.len() as u64) as usize]
    }

    fn next(&mut self, i: usize) -> String {
        let openings = [
            "how do i",
            "can i",
            "where is",
            "i want to",
            "what is",
            "why is",
            "is there",
        ];
        let verbs = [
            "change", "track", "return", "cancel", "order", "pay", "repair", "find", "open",
        ];
        let things = [
            "my parcel",
            "the invoice",
            "my account",
            "a lamp",
            "the delivery",
            "a coupon",
            "the warranty",
            "my address",
            "the colour",
            "a gift card",
            "the desk",
            "a chair",
        ];
        let ends = [
            "today",
            "abroad",
            "online",
            "in the shop",
            "by card",
            "for a friend",
            "again",
        ];
        format!(
            "{} {} {} {} model{}x",
            self.pick(&openings),
            self.pick(&verbs),
            self.pick(&things),
            self.pick(&ends),
            (b'a' + (i % 26) as u8) as char,
        )
    }
}

/// `flows` targets of `per_flow` phrases, and FAQ items of one.
fn set(flows: usize, per_flow: usize, items: usize) -> TrainingSet {
    let mut phrases = Phrases(0x2545_F491_4F6C_DD1D);
    let mut examples = Vec::new();
    for i in 0..flows * per_flow {
        examples.push(Example {
            target: Target::Flow(format!("flow{}", i % flows)),
            locale: None,
            text: phrases.next(i),
        });
    }
    for i in 0..items {
        examples.push(Example {
            target: Target::Faq(format!("item.{i}")),
            locale: None,
            text: phrases.next(i),
        });
    }
    TrainingSet {
        locales: vec![Locale::new("en"), Locale::new("zh")],
        examples,
        out_of_scope: Vec::new(),
        articles: Vec::new(),
    }
}

fn read(c: &mut Criterion) {
    let trainer = PhraseTrainer;
    let locale = Locale::new("en");
    let mut group = c.benchmark_group("read");
    let cases = [
        ("150 flows, 10,000 phrases", set(150, 67, 0)),
        ("10 FAQ items", set(20, 10, 10)),
        ("100 FAQ items", set(20, 10, 100)),
        ("10,000 FAQ items", set(20, 10, 10_000)),
        ("100,000 FAQ items", set(20, 10, 100_000)),
    ];
    for (name, set) in cases {
        let model = trainer.model(&set);
        let mut turn = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                turn += 1;
                black_box(model.read(MESSAGES[turn % MESSAGES.len()], &locale))
            });
        });
    }
    group.finish();
}

fn train(c: &mut Criterion) {
    let trainer = PhraseTrainer;
    let mut group = c.benchmark_group("train");
    group.sample_size(10);
    for (name, set) in [
        ("150 targets, 1,500 phrases", set(150, 10, 0)),
        ("150 targets, 10,000 phrases", set(150, 67, 0)),
    ] {
        group.bench_function(name, |b| {
            b.iter_batched(
                || set.clone(),
                |set| trainer.model(&set),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, read, train);
criterion_main!(benches);
