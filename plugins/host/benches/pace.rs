//! The pace of a good plugin beside one that misbehaves: what a call costs alone, and what the same
//! call costs while the other is called without a pause. Nothing is switched off for failing.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tandem_plugin_host::{Limits, Meta, NoServices};

#[path = "../tests/common/mod.rs"]
mod common;
use common::{World, call};

fn pace(c: &mut Criterion) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    let limits = Limits {
        failures: u32::MAX,
        stuck: 4,
        ..Limits::default()
    };
    let world = runtime.block_on(async { World::with(limits, Arc::new(NoServices)) });
    let source = include_str!("../tests/common/plugin.c");
    let Some(path) = world.build("good", source, &[]) else {
        return;
    };
    let good = runtime.block_on(world.load("good", &path)).unwrap();
    let mut measure = |name: &str| {
        let order = json!({"number": "R-20260214-0042", "items": 3});
        c.bench_function(&format!("pace, {name}"), |b| {
            b.to_async(&runtime)
                .iter(|| async { call(&good, "action.echo", order.clone()).await.unwrap() })
        });
    };
    measure("alone");
    let bad_path = world.build("bad", source, &[]).unwrap();
    let bad = runtime.block_on(world.load("bad", &bad_path)).unwrap();
    // One call after the other: 100 MB, garbage, a log in full flood.
    for method in ["huge", "garbage", "flood"] {
        let done = Arc::new(AtomicBool::new(false));
        let caller = runtime.spawn({
            let (bad, done) = (bad.clone(), done.clone());
            async move {
                while !done.load(Ordering::Relaxed) {
                    let _ = call(&bad, &format!("action.{method}"), json!({})).await;
                }
            }
        });
        measure(&format!("beside calls of `{method}`"));
        done.store(true, Ordering::Relaxed);
        runtime.block_on(caller).unwrap();
    }
    // What stays behind: fifty threads a call, calls that never return, and one that never rests.
    runtime.block_on(async {
        for _ in 0..20 {
            call(&bad, "action.threads", json!({})).await.unwrap();
        }
    });
    measure("beside 1000 threads that wait");
    let (soon, nothing) = (Some(Duration::from_millis(1)), json!({}));
    runtime.block_on(async {
        for _ in 0..3 {
            let never = bad.call("action.never", &nothing, Meta::default(), soon);
            assert!(never.await.is_err());
        }
    });
    measure("beside 3 calls that never return");
    runtime.block_on(async {
        let spin = bad.call("action.spin", &nothing, Meta::default(), soon);
        assert!(spin.await.is_err());
        assert!(
            call(&bad, "action.echo", json!({})).await.is_err(),
            "it is out of use"
        );
    });
    measure("beside a call that spins for ever");
}

criterion_group!(benches, pace);
criterion_main!(benches);
