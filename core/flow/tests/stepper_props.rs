//! Whatever comes in, in whatever order: no panic, no frame that waits for nothing, the same bytes
//! again, and nothing that a restart between two turns would change.

#![allow(clippy::unwrap_used)]

mod random_packs;
mod stepper_support;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, LazyLock},
};

use proptest::prelude::*;
use serde_json::{Value, json};
use stepper_support::{Lua, contract, load, model};
use tandem_domain::{
    Map, Timestamp,
    action::ActionError,
    conversation::{Control, HandoffMode},
    message::{Media, MediaKind, Part},
    reading::Understanding,
};
use tandem_flow::{
    load::load_dir,
    model::Pack,
    step::{self, Around, Effect, Event, Packs, State, Turn},
};

/// A pack, and the version an edit makes of it.
struct World {
    versions: Vec<(Arc<Pack>, Arc<dyn Understanding>)>,
}

/// The version that is live; whether frames of another find theirs.
struct Live<'w> {
    world: &'w World,
    at: usize,
    forget: bool,
}

impl Packs for Live<'_> {
    fn current(&self) -> &Arc<Pack> {
        &self.world.versions[self.at].0
    }

    fn pinned(&self, structure: &str) -> Option<Arc<Pack>> {
        let known = |pack: &&Arc<Pack>| pack.structure == structure;
        if self.forget {
            return Some(self.current()).filter(known).cloned();
        }
        self.world
            .versions
            .iter()
            .map(|(pack, _)| pack)
            .find(known)
            .cloned()
    }
}

static CONTRACT: LazyLock<World> = LazyLock::new(|| world(contract()));
static RETAIL: LazyLock<World> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows/retail");
    world(Arc::new(load_dir(&root).pack.expect("the demo pack loads")))
});

fn world(pack: Arc<Pack>) -> World {
    worlds([pack])
}

fn worlds(packs: impl IntoIterator<Item = Arc<Pack>>) -> World {
    let versions = packs.into_iter().map(|pack| {
        let model = model(&pack);
        (pack, model)
    });
    World {
        versions: versions.collect(),
    }
}

#[derive(Clone, Debug)]
enum Op {
    Say(String),
    /// The button this far back, if there is one.
    Press(usize),
    Token(String),
    Upload {
        mime: &'static str,
        bytes: u64,
    },
    /// How the call that runs ends.
    Done(u8),
    Late(String),
    /// The timer at this place among those set.
    Fire(usize),
    Stale(String, u64),
    Signal(String),
    Page(String),
    TakenOver,
    Closed(bool),
    Wait(u64),
    /// The pack is edited; the old version is gone or not.
    Edit {
        forget: bool,
    },
}

const SAID: &[&str] = &[
    "send it back",
    "where is my order",
    "I want to complain",
    "12345678",
    "ann@x.test",
    "12345678, mail is ann@x.test",
    "arrived damaged, both",
    "no longer wanted",
    "yes",
    "no",
    "skip",
    "cancel",
    "back",
    "sorry, only one",
    "2",
    "1",
    "how much is delivery?",
    "yes, how much is delivery?",
    "talk to a human",
    "repeat",
    "the reason",
    "actually the chair",
    "lamp",
    "取消",
    "我要退货",
    "两个",
    "订单号12345678",
    "转人工",
    "是的",
    "不对",
    "运费多少",
    "what?",
    "",
    "   ",
    "asdf",
    "5",
    "tomorrow",
    "next friday at 3pm",
    "this is the worst service ever, a lawyer will call you",
    "{{ 7 * 7 }}",
    "<script>alert(1)</script>",
    "\u{202e}\u{200b}0",
    "no, 87654321",
    "change the quantity to 3",
    "help",
    "thanks",
    "damaged parcel",
    "I lost my parcel",
    "invoice please",
    "appointment",
    "my card was declined",
    "gift card balance",
    "sorry, I meant 7 March",
    "no wait, two",
    "其实是三个",
    "I want to cancel",
    "send it back, it arrived damaged",
    "which bulb does the Moon lamp take",
    "milk, eggs and bread",
    "red",
    "start beta",
    "the first",
];

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => prop::sample::select(SAID).prop_map(|s| Op::Say(s.to_owned())),
        2 => "\\PC{0,60}".prop_map(Op::Say),
        6 => (0..8usize).prop_map(Op::Press),
        1 => "[a-z0-9.:]{0,20}".prop_map(Op::Token),
        1 => (prop::sample::select(&["image/png", "application/pdf", "audio/ogg", ""][..]), 0..20_000_000u64)
            .prop_map(|(mime, bytes)| Op::Upload { mime, bytes }),
        8 => (0..5u8).prop_map(Op::Done),
        1 => "[0-9:.]{0,12}".prop_map(Op::Late),
        3 => (0..4usize).prop_map(Op::Fire),
        1 => ("(ask|wait|remind|max_wait|session|x):[0-9]{0,3}", 0..50u64).prop_map(|(k, e)| Op::Stale(k, e)),
        1 => prop::sample::select(&["survey_due", "parcel_delayed", "payment_received", "paid", "paid_late", "nothing"][..]).prop_map(|s| Op::Signal(s.to_owned())),
        1 => prop::sample::select(&["/cart", "https://x.test/checkout?a=1", ""][..]).prop_map(|s| Op::Page(s.to_owned())),
        1 => Just(Op::TakenOver),
        3 => any::<bool>().prop_map(Op::Closed),
        1 => (0..200_000_000u64).prop_map(Op::Wait),
        1 => any::<bool>().prop_map(|forget| Op::Edit { forget }),
    ]
}

/// Bytes of state, effects and trace after each turn.
type Log = Vec<(Vec<u8>, String, String)>;

fn play(world: &World, ops: &[Op], restart: bool) -> Log {
    let mut conversation = Map::new();
    conversation.insert("id".into(), json!("c1"));
    conversation.insert("session".into(), json!(1));
    let mut around = Around {
        contact: json!({"id": "p1"}).as_object().cloned().unwrap(),
        conversation,
        channel: "web".into(),
        control: Control::Bot,
        locale: Some("en".into()),
    };
    let mut now = Timestamp(1_740_992_400_000);
    let mut state = State::default();
    let mut tokens: Vec<String> = Vec::new();
    let mut acts: Vec<String> = Vec::new();
    let mut timers: BTreeMap<String, Value> = BTreeMap::new();
    let mut log = Vec::new();
    let (mut at, mut forget) = (0, false);
    for op in ops {
        let understanding = &world.versions[at].1;
        let event = match op {
            Op::Say(text) => Event::Message {
                id: "m".into(),
                parts: vec![Part::text(text.as_str())],
                reading: understanding.read(text, &"en".into()),
            },
            Op::Press(back) => Event::Press {
                token: tokens.iter().rev().nth(*back).cloned().unwrap_or_default(),
                label: None,
                reading: Default::default(),
            },
            Op::Token(token) => Event::Press {
                token: token.clone(),
                label: Some(token.clone()),
                reading: Default::default(),
            },
            Op::Upload { mime, bytes } => Event::Message {
                id: "f".into(),
                parts: vec![Part::Media(Media {
                    media: MediaKind::of_mime(mime),
                    reference: "file:1".into(),
                    mime: (*mime).into(),
                    name: None,
                    size: Some(*bytes),
                    alt: None,
                })],
                reading: Default::default(),
            },
            Op::Done(how) => {
                let Some(key) = acts.pop() else { continue };
                let result = match how {
                    0 => Err(ActionError::new("404", "none")),
                    1 => Err(ActionError::new("unknown", "lost")),
                    2 => Ok(json!([1, 2])),
                    _ => Ok(
                        json!({"id": "A1", "status": "shipped", "delivered_at": "2025-02-25", "received": false,
                        "lines": [{"sku": "L1", "name": "Lamp", "qty": 2}, {"sku": "C1", "name": "Chair", "qty": 1}]}),
                    ),
                };
                Event::ActionDone { key, result }
            }
            Op::Late(key) => Event::ActionDone {
                key: key.clone(),
                result: Ok(json!({})),
            },
            Op::Fire(at) => {
                let Some(key) = timers.keys().nth(*at).cloned() else {
                    continue;
                };
                let payload = timers.remove(&key).unwrap_or_default();
                Event::Timer { key, payload }
            }
            Op::Stale(key, epoch) => Event::Timer {
                key: key.clone(),
                payload: json!({"epoch": epoch}),
            },
            Op::Signal(name) => Event::Signal {
                name: name.clone(),
                data: json!({"order_no": "12345678", "x": [1]}),
            },
            Op::Page(url) => Event::Page {
                url: url.clone(),
                seconds: 100,
            },
            Op::TakenOver => {
                if around.control != Control::Bot {
                    continue;
                }
                around.control = Control::Human;
                Event::TakenOver
            }
            Op::Closed(returned) => {
                if around.control == Control::Bot {
                    continue;
                }
                around.control = Control::Bot;
                Event::Closed {
                    returned: *returned,
                }
            }
            Op::Wait(ms) => {
                now = Timestamp(now.0 + i64::try_from(*ms).unwrap());
                continue;
            }
            Op::Edit { forget: gone } => {
                at = (at + 1) % world.versions.len();
                forget = *gone;
                continue;
            }
        };
        let before = frames_of(&serde_json::to_value(&state).unwrap());
        let stepped = step::step(
            Turn {
                packs: &Live { world, at, forget },
                host: &mut Lua,
                event: &event,
                now,
                around: &around,
            },
            state,
        );
        state = stepped.state;
        for effect in &stepped.effects {
            match effect {
                Effect::Say { content, .. } => {
                    tokens.extend(content.choices.iter().map(|c| c.value.clone()))
                }
                Effect::Act { key, .. } => acts.push(key.clone()),
                Effect::CancelAct { key } => acts.retain(|k| k != key),
                Effect::SetTimer { key, payload, .. } => {
                    timers.insert(key.clone(), payload.clone());
                }
                Effect::CancelTimer { key } => {
                    timers.remove(key);
                }
                Effect::Handoff {
                    mode: HandoffMode::Queue,
                    ..
                } => around.control = Control::Human,
                Effect::Remember { name, value, .. } => {
                    around.contact.insert(name.clone(), value.clone());
                }
                _ => {}
            }
        }
        let bytes = serde_json::to_vec(&state).unwrap();
        assert_nothing_is_lost(&bytes, around.control, &acts, &timers);
        let mut why: BTreeSet<&str> = stepped.trace.iter().map(|l| l.kind.as_str()).collect();
        let told = |words: &str| stepped.trace.iter().any(|l| l.text.contains(words));
        if told("under another one, which ends") && !told("expired") {
            why.insert("uncovered");
        }
        assert_no_frame_goes_without_a_reason(&before, &bytes, &why);
        if restart {
            let secrets = state.secrets().clone();
            state = serde_json::from_slice(&bytes).unwrap();
            state.set_secrets(secrets);
        }
        log.push((
            bytes,
            serde_json::to_string(&stepped.effects).unwrap(),
            serde_json::to_string(&stepped.trace).unwrap(),
        ));
    }
    log
}

/// Ids of the frames on the stack, with their flows.
fn frames_of(state: &Value) -> BTreeMap<u64, String> {
    let frames = state["frames"].as_array().cloned().unwrap_or_default();
    let one = |f: &Value| Some((f["id"].as_u64()?, f["flow"].as_str()?.to_owned()));
    frames.iter().filter_map(one).collect()
}

/// A flow that was running and is not any more has ended, was left, or gave way to a limit; and
/// the trace says so.
fn assert_no_frame_goes_without_a_reason(
    before: &BTreeMap<u64, String>,
    bytes: &[u8],
    why: &BTreeSet<&str>,
) {
    let after = frames_of(&serde_json::from_slice(bytes).unwrap());
    let reasons = [
        "end",
        "cancel",
        "link",
        "limit",
        "handoff",
        "rewind",
        "correction",
        "jump",
        "act",
        "timer",
        "migrate",
        "uncovered",
    ];
    for (id, flow) in before.iter().filter(|(id, _)| !after.contains_key(id)) {
        let anew = why.contains("start");
        assert!(
            anew || reasons.iter().any(|r| why.contains(r)),
            "frame {id} of {flow} is gone, and the trace has only {why:?}"
        );
    }
}

/// Every frame has its slots, and what it waits for is on its way: the top one waits for
/// something, unless people have it; a call that it made runs; a timer that it set is set.
fn assert_nothing_is_lost(
    bytes: &[u8],
    control: Control,
    acts: &[String],
    timers: &BTreeMap<String, Value>,
) {
    let state: Value = serde_json::from_slice(bytes).unwrap();
    let none = Vec::new();
    let frames = state["frames"].as_array().unwrap_or(&none);
    for frame in frames {
        let scope = frame["scope"].to_string();
        assert!(
            state["scopes"].get(&scope).is_some(),
            "a frame without slots: {frame}"
        );
        let mode = &frame["mode"];
        if let Some(key) = mode["act"]["key"].as_str() {
            let came = !mode["act"]["result"].is_null();
            assert!(
                came || acts.iter().any(|k| k == key),
                "a frame waits for a call that nobody makes: {frame}"
            );
        }
        for (kind, timer) in [("ask", "ask"), ("wait", "wait"), ("handoff", "max_wait")] {
            let key = format!("{timer}:{}", frame["id"]);
            let deferred = state["deferred"].to_string().contains(&key);
            assert!(
                mode[kind]["timed"] != true
                    || deferred
                    || timers.contains_key(&key)
                    || !frame["woken"].is_null(),
                "a frame waits for a timer that is not set: {frame}"
            );
        }
    }
    if control == Control::Bot
        && let Some(top) = frames.last()
    {
        assert_ne!(top["mode"], "run", "the top frame waits for nothing: {top}");
    }
    assert!(frames.len() <= 200);
    assert!(state["buttons"].as_array().map_or(0, Vec::len) <= 200);
    assert!(state["deferred"].as_array().map_or(0, Vec::len) <= 50);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_events_is_survived_and_replayed(ops in prop::collection::vec(op(), 1..40)) {
        let first = play(&CONTRACT, &ops, false);
        prop_assert_eq!(&first, &play(&CONTRACT, &ops, false));
        prop_assert_eq!(&first, &play(&CONTRACT, &ops, true));
    }

    #[test]
    fn the_demo_pack_survives_any_order_of_events(ops in prop::collection::vec(op(), 1..40)) {
        let first = play(&RETAIL, &ops, false);
        prop_assert_eq!(&first, &play(&RETAIL, &ops, true));
    }

    #[test]
    fn any_pack_survives_any_order_of_events_and_its_own_edit(
        one in random_packs::files(),
        other in random_packs::files(),
        ops in prop::collection::vec(op(), 1..40),
    ) {
        let world = worlds([load(one), load(other)]);
        let first = play(&world, &ops, false);
        prop_assert_eq!(&first, &play(&world, &ops, true));
    }
}
