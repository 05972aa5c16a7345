//! Turns a second of the stepper alone: no store, no network, no understanding.

use std::{hint::black_box, path::Path, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use tandem_domain::{
    Map, Timestamp,
    message::Part,
    reading::{Trainer, Understanding},
};
use tandem_flow::{
    load::load_dir,
    model::Pack,
    step::{self, Around, Effect, Event, Host, LuaAnswer, Packs, State, Turn},
};
use tandem_understanding::PhraseTrainer;

struct OnePack(Arc<Pack>);

impl Packs for OnePack {
    fn current(&self) -> &Arc<Pack> {
        &self.0
    }

    fn pinned(&self, structure: &str) -> Option<Arc<Pack>> {
        (self.0.structure == structure).then(|| self.0.clone())
    }
}

/// Answers as the pack's Lua would, without it.
struct Echo;

impl Host for Echo {
    fn lua(&mut self, _: &Pack, _: &str, _: &str, args: &[Value]) -> LuaAnswer {
        LuaAnswer::Value(args.first().cloned().unwrap_or_default())
    }
}

struct Bench {
    packs: OnePack,
    model: Arc<dyn Understanding>,
    around: Around,
}

impl Bench {
    fn turn(&self, event: &Event, state: State) -> (State, Vec<Effect>) {
        let now = Timestamp(1_740_992_400_000);
        let stepped = step::step(
            Turn {
                packs: &self.packs,
                host: &mut Echo,
                event,
                now,
                around: &self.around,
            },
            state,
        );
        (stepped.state, stepped.effects)
    }

    fn message(&self, text: &str) -> Event {
        Event::Message {
            id: "m".into(),
            parts: vec![Part::text(text)],
            reading: self.model.read(text, &"en".into()),
        }
    }
}

fn benches(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs/contract");
    let pack = Arc::new(load_dir(&root).pack.expect("the example loads"));
    let mut conversation = Map::new();
    conversation.insert("id".into(), json!("c1"));
    let bench = Bench {
        model: PhraseTrainer.train(&pack.training_set()),
        packs: OnePack(pack),
        around: Around {
            conversation,
            channel: "web".into(),
            ..Around::default()
        },
    };
    let mut group = c.benchmark_group("step");
    group.throughput(Throughput::Elements(1));

    let question = bench.message("how much is delivery");
    group.bench_function("faq_answer", |b| {
        b.iter_with_setup(State::default, |state| {
            black_box(bench.turn(&question, state))
        });
    });

    // A return up to its second question.
    let (state, _) = bench.turn(&bench.message("send it back"), State::default());
    let (state, effects) = bench.turn(&bench.message("12345678, ann@x.test"), state);
    let key = effects
        .iter()
        .find_map(|e| match e {
            Effect::Act { key, .. } => Some(key.clone()),
            _ => None,
        })
        .expect("the order is looked up");
    let order = json!({"id": "A1", "delivered_at": "2025-02-25", "lines": [{"sku": "L1", "name": "Lamp", "qty": 2}]});
    let (state, _) = bench.turn(
        &Event::ActionDone {
            key,
            result: Ok(order),
        },
        state,
    );
    let (state, _) = bench.turn(&bench.message("lamp"), state);
    let answer = bench.message("arrived damaged, both");
    group.bench_function("answer_in_a_form", |b| {
        b.iter_with_setup(
            || state.clone(),
            |state| black_box(bench.turn(&answer, state)),
        );
    });
    group.bench_function("faq_in_a_form", |b| {
        b.iter_with_setup(
            || state.clone(),
            |state| black_box(bench.turn(&question, state)),
        );
    });
    let bytes = serde_json::to_vec(&state).expect("a state is JSON");
    group.bench_function("state_round_trip", |b| {
        b.iter(|| {
            let state: State =
                serde_json::from_slice(black_box(&bytes)).expect("it was written so");
            black_box(serde_json::to_vec(&state).expect("a state is JSON"))
        });
    });
    group.finish();
    // Known to be small: a conversation in the middle of a form.
    assert!(bytes.len() < 8_000, "the state has {} bytes", bytes.len());
}

criterion_group!(step_benches, benches);
criterion_main!(step_benches);
