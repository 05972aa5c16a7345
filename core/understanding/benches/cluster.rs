//! How long a question takes by how many came before it, and how long drawing all anew takes.
//!
//! `cargo bench -p tandem-understanding --bench cluster`

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tandem_understanding::cluster::{Clusters, Question};

/// Made-up questions: some are asked again and again, others once.
struct Questions(u64);

impl Questions {
    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        words[(self.0 % words.len() as u64) as usize]
    }

    fn next(&mut self) -> String {
        let openings = [
            "do you",
            "can you",
            "hi, can I",
            "where can I",
            "how do I",
            "is it possible to",
            "I would like to",
            "请问",
            "我想",
        ];
        let verbs = [
            "rent", "charge", "repaint", "insure", "borrow", "sharpen", "engrave", "resell",
            "donate", "store", "回收", "租", "出租", "寄存", "刻字",
        ];
        let things = [
            "a carpet cleaner",
            "my electric car",
            "the armchair",
            "an old lamp",
            "a garden table",
            "my piano",
            "the mirror",
            "a bunk bed",
            "the curtains",
            "a bird house",
            "旧灯泡",
            "家具",
            "钢琴",
            "窗帘",
            "镜子",
        ];
        let ends = [
            "",
            "in winter",
            "for a month",
            "abroad",
            "at home",
            "for my school",
            "before may",
            "without a car",
            "for two",
            "at night",
            "多少钱",
            "可以吗",
        ];
        format!(
            "{} {} {} {}",
            self.pick(&openings),
            self.pick(&verbs),
            self.pick(&things),
            self.pick(&ends)
        )
    }
}

/// Clusters that have taken so many questions, all drawn anew when it is due.
fn filled(questions: usize) -> (Clusters, Questions) {
    let mut source = Questions(0x2545_F491_4F6C_DD1D);
    let mut clusters = Clusters::new();
    for _ in 0..questions {
        clusters.add(&Question::new(&source.next()));
        if clusters.is_due() {
            clusters.refine();
        }
    }
    (clusters, source)
}

fn cluster(c: &mut Criterion) {
    let mut group = c.benchmark_group("cluster");
    for (name, count) in [("1,000", 1_000), ("10,000", 10_000), ("100,000", 100_000)] {
        let (mut clusters, mut source) = filled(count);
        group.bench_function(format!("add one after {name}"), |b| {
            b.iter(|| {
                let text = source.next();
                black_box(clusters.add(&Question::new(&text)))
            });
        });
    }
    group.sample_size(10);
    for (name, count) in [("1,000", 1_000), ("100,000", 100_000)] {
        let stored = filled(count).0.store();
        group.bench_function(format!("refine after {name}"), |b| {
            b.iter_batched(
                || Clusters::restore(stored.clone()).expect("it was stored by this version"),
                |mut clusters| clusters.refine(),
                BatchSize::LargeInput,
            );
        });
        group.bench_function(format!("summaries after {name}"), |b| {
            let clusters =
                Clusters::restore(stored.clone()).expect("it was stored by this version");
            b.iter(|| black_box(clusters.summaries(5)));
        });
    }
    group.finish();
}

criterion_group!(benches, cluster);
criterion_main!(benches);
