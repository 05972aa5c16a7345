//! How long the feelings and the language of one message take.
//!
//! `cargo bench -p tandem-understanding --bench emotion`

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tandem_understanding::{emotion::Emotions, language::Languages, normalise::Normaliser};

const MESSAGES: [&str; 6] = [
    "hi, could you tell me when my parcel gets here please",
    "Great, another delay. This is the THIRD time, I'm never shopping here again!!!",
    "请问我的订单什么时候能送到",
    "太过分了😡，等了三天还没发货，再不处理我就打12315投诉你们",
    "not bad, but the lamp arrived broken and nobody answers",
    "ok",
];

fn emotion(c: &mut Criterion) {
    let normaliser = Normaliser::new();
    let emotions = Emotions::new(&normaliser);
    let languages = Languages::new();
    let mut group = c.benchmark_group("emotion");
    let mut turn = 0;
    let mut next = move || {
        turn += 1;
        (
            MESSAGES[turn % MESSAGES.len()],
            MESSAGES[(turn + 1) % MESSAGES.len()],
        )
    };
    group.bench_function("a message", |b| {
        b.iter(|| black_box(emotions.of(&normaliser, next().0, &[])));
    });
    group.bench_function("a message after another", |b| {
        b.iter(|| {
            let (text, before) = next();
            black_box(emotions.of(&normaliser, text, &[before]))
        });
    });
    group.bench_function("the longest message that is read", |b| {
        let long = "never again! 太过分了 ".repeat(300);
        b.iter(|| black_box(emotions.of(&normaliser, &long, &[])));
    });
    group.bench_function("the language of a message", |b| {
        b.iter(|| black_box(languages.of(next().0)));
    });
    group.bench_function("the tables", |b| {
        b.iter(|| black_box(Emotions::new(&normaliser)));
    });
    group.finish();
}

criterion_group!(benches, emotion);
criterion_main!(benches);
