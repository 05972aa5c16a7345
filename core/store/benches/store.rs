//! Durable commits per second: `cargo bench -p tandem-store`.
//!
//! One commit is a whole turn: an event accepted, lane, conversation, two messages, an outbox
//! row and a journal row, behind two guards. The file lies in `TANDEM_BENCH_DIR` or the target
//! folder, on a disk that really syncs; pin the run to one core with `taskset -c 0`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tandem_domain::store::{Outcome, Store};
use tandem_store::{SqliteOptions, conformance::samples::Thread, open_sqlite};

/// A store in a folder of its own, and how many turns each of its lanes has seen.
struct Bench {
    store: Arc<dyn Store>,
    lanes: Vec<(Thread, AtomicU64)>,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(lanes: usize) -> Self {
        let root = std::env::var("TANDEM_BENCH_DIR")
            .unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").into());
        let folder = tempfile::tempdir_in(root).unwrap();
        Self {
            store: open_sqlite(folder.path().join("bench.db"), SqliteOptions::default()).unwrap(),
            lanes: (0..lanes)
                .map(|lane| (Thread::new(&format!("visitor-{lane}")), AtomicU64::new(0)))
                .collect(),
            _folder: folder,
        }
    }

    async fn turn(&self, lane: usize) {
        let (thread, version) = &self.lanes[lane];
        let version = version.fetch_add(1, Ordering::Relaxed) + 1;
        let outcome = self.store.commit(thread.turn(version)).await.unwrap();
        assert_eq!(outcome, Outcome::Committed);
    }

    /// `turns` turns by `committers` at a time, each walking its own share of the lanes.
    async fn run(self: &Arc<Self>, committers: usize, turns: u64) -> Duration {
        let start = Instant::now();
        let left = Arc::new(AtomicU64::new(turns));
        let mut tasks = tokio::task::JoinSet::new();
        for committer in 0..committers {
            let (bench, left) = (self.clone(), left.clone());
            tasks.spawn(async move {
                let share = bench.lanes.len() / committers;
                let mut at = 0;
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                        left.checked_sub(1)
                    })
                    .is_ok()
                {
                    // A stride spreads the turns over old and new conversations alike.
                    bench.turn(committer * share + at).await;
                    at = (at + 61) % share;
                }
            });
        }
        tasks.join_all().await;
        start.elapsed()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap()
}

fn commits(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("durable turns");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for committers in [1, 8, 64] {
        let bench = Arc::new(Bench::new(640));
        group.measurement_time(Duration::from_secs(8));
        group.bench_function(BenchmarkId::new("committers", committers), |b| {
            b.iter_custom(|turns| runtime.block_on(bench.run(committers, turns)));
        });
    }
    group.finish();
}

fn growth(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("by stored conversations");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    for stored in [128, 100_032] {
        let bench = Arc::new(Bench::new(stored));
        runtime.block_on(bench.run(64, stored as u64));
        group.measurement_time(Duration::from_secs(8));
        group.bench_function(BenchmarkId::new("stored", stored), |b| {
            b.iter_custom(|turns| runtime.block_on(bench.run(64, turns)));
        });
        group.bench_function(BenchmarkId::new("read a lane", stored), |b| {
            let mut at = 0;
            b.iter(|| {
                at = (at + 7919) % stored;
                let (thread, _) = &bench.lanes[at];
                runtime
                    .block_on(bench.store.lane(&thread.workspace, thread.lane))
                    .unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, commits, growth);
criterion_main!(benches);
