//! How long articles take to index, to index again after an edit, and to search.
//!
//! `cargo bench -p tandem-understanding --bench knowledge`
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tandem_domain::{
    Locale,
    reading::{Article, Query},
};
use tandem_understanding::knowledge::Knowledge;

const WORDS: [&str; 24] = [
    "delivery", "sofa", "cover", "lamp", "return", "warranty", "table", "oak", "invoice",
    "payment", "assembly", "mattress", "store", "wash", "stain", "colour", "size", "order",
    "address", "gift", "card", "repair", "screw", "manual",
];
const CHINESE: [&str; 12] = [
    "配送",
    "沙发套",
    "台灯",
    "退货",
    "保修期",
    "橡木桌子",
    "发票",
    "付款方式",
    "组装",
    "床垫",
    "门店",
    "清洗",
];

/// Articles of ten passages each, made up of words that repeat as those of a shop do.
fn articles(count: usize, chinese: bool) -> Vec<Article> {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut pick = |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % n as u64) as usize
    };
    (0..count)
        .map(|article| {
            let mut body = String::new();
            for section in 0..10 {
                body.push_str(&format!("## Part {section} of number{article}\n"));
                for _ in 0..40 {
                    if chinese {
                        body.push_str(CHINESE[pick(CHINESE.len())]);
                        body.push_str(["的", "和", "，请", "可以"][pick(4)]);
                    } else {
                        body.push_str(WORDS[pick(WORDS.len())]);
                        body.push_str([" ", " of the ", " and ", ", "][pick(4)]);
                    }
                }
                body.push_str(&format!("code{}\n\n", pick(10_000)));
            }
            Article {
                id: format!("knowledge/{article}"),
                title: format!("About {}", WORDS[pick(WORDS.len())]),
                locale: Some(Locale::new(if chinese { "zh" } else { "en" })),
                body,
                ..Article::default()
            }
        })
        .collect()
}

fn knowledge(c: &mut Criterion) {
    let mut group = c.benchmark_group("knowledge");
    group.sample_size(10);
    for (name, count, chinese) in [("en", 1_000, false), ("zh", 1_000, true)] {
        let set = articles(count, chinese);
        group.bench_function(format!("index 10,000 passages, {name}"), |b| {
            b.iter(|| black_box(Knowledge::index(&set)));
        });
        let mut current = Knowledge::index(&set);
        let mut edits = 0;
        let mut edited = set.clone();
        group.bench_function(format!("one article of 1,000 edited, {name}"), |b| {
            b.iter(|| {
                edits += 1;
                edited[7].body = format!("An edit with number {edits} and nothing else.");
                current = current.update(&edited);
            });
        });
        let built = Knowledge::index(&set);
        let query = Query {
            text: if chinese {
                "沙发套怎么清洗，可以退货吗"
            } else {
                "how do I wash the cover of an oak sofa"
            }
            .to_owned(),
            locale: Locale::new(name),
            tags: Vec::new(),
            limit: 3,
        };
        group.bench_function(format!("search 10,000 passages, {name}"), |b| {
            b.iter(|| black_box(built.search(&query)));
        });
        let small = Knowledge::index(&articles(10, chinese));
        group.bench_function(format!("search 100 passages, {name}"), |b| {
            b.iter(|| black_box(small.search(&query)));
        });
    }
    group.finish();
}

criterion_group!(benches, knowledge);
criterion_main!(benches);
