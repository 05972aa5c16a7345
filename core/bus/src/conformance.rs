//! What every bus must show. [`bus_conformance!`](crate::bus_conformance) makes a test of each
//! behaviour.

use std::{future::Future, sync::Arc, time::Duration};

use tandem_domain::{
    AccountId, ConversationId, LaneId, WorkspaceId,
    bus::{Bus, Heard, Listener, Signal, Topic},
};

macro_rules! behaviours {
    ($dollar:tt $($name:ident),+ $(,)?) => {
        /// Runs every behaviour, each on a bus of its own.
        pub async fn run<F: Future<Output = Arc<dyn Bus>>>(make: impl Fn() -> F) {
            $($name(make().await).await;)+
        }

        /// A test of each behaviour. Takes an expression that makes an `Arc<dyn Bus>`.
        #[macro_export]
        macro_rules! bus_conformance {
            ($dollar make:expr) => {$(
                #[tokio::test]
                async fn $name() {
                    $crate::conformance::$name($dollar make).await;
                }
            )+};
        }
    };
}

behaviours! { $
    a_listener_hears_what_is_published_after_it_subscribed,
    signals_of_one_topic_come_in_order,
    topics_are_apart,
    every_listener_of_a_topic_hears,
    publishing_without_listeners_is_nothing,
    a_slow_listener_is_told_that_it_missed_some,
    a_waiting_listener_is_woken,
    waiting_can_be_given_up_without_loss,
    many_publishers_at_once_lose_nothing_within_bounds,
}

fn lane(name: &str) -> Topic {
    Topic::Lane(LaneId::derive(&[name]))
}

fn signal(seq: u64) -> Signal {
    Signal::Transcript {
        lane: LaneId::derive(&["lane"]),
        conversation: ConversationId::derive(&["conversation"]),
        seq,
    }
}

/// The next thing heard; a bus that stays silent fails the test instead of hanging it.
async fn hear(listener: &mut Box<dyn Listener>) -> Heard {
    tokio::time::timeout(Duration::from_secs(10), listener.next())
        .await
        .expect("the bus should have said something")
}

async fn silent(listener: &mut Box<dyn Listener>) -> bool {
    tokio::time::timeout(Duration::from_millis(20), listener.next())
        .await
        .is_err()
}

pub async fn a_listener_hears_what_is_published_after_it_subscribed(bus: Arc<dyn Bus>) {
    bus.publish(&lane("a"), signal(1));
    let mut listener = bus.subscribe(&lane("a"));
    bus.publish(&lane("a"), signal(2));
    assert_eq!(hear(&mut listener).await, Heard::Signal(signal(2)));
    assert!(silent(&mut listener).await);
}

pub async fn signals_of_one_topic_come_in_order(bus: Arc<dyn Bus>) {
    let mut listener = bus.subscribe(&lane("a"));
    for seq in 0..16 {
        bus.publish(&lane("a"), signal(seq));
    }
    for seq in 0..16 {
        assert_eq!(hear(&mut listener).await, Heard::Signal(signal(seq)));
    }
}

pub async fn topics_are_apart(bus: Arc<dyn Bus>) {
    let topics = [
        lane("a"),
        lane("b"),
        Topic::Events(WorkspaceId::new("a")),
        Topic::Events(WorkspaceId::new("b")),
        Topic::Outbox,
    ];
    let mut listeners: Vec<_> = topics.iter().map(|topic| bus.subscribe(topic)).collect();
    for (seq, topic) in (0..).zip(&topics) {
        bus.publish(topic, signal(seq));
    }
    for (seq, listener) in (0..).zip(&mut listeners) {
        assert_eq!(hear(listener).await, Heard::Signal(signal(seq)));
        assert!(silent(listener).await);
    }
}

pub async fn every_listener_of_a_topic_hears(bus: Arc<dyn Bus>) {
    let mut first = bus.subscribe(&Topic::Outbox);
    let mut second = bus.subscribe(&Topic::Outbox);
    let gone = bus.subscribe(&Topic::Outbox);
    drop(gone);
    let sent = Signal::Outbox {
        account: AccountId::new("web-1"),
    };
    bus.publish(&Topic::Outbox, sent.clone());
    assert_eq!(hear(&mut first).await, Heard::Signal(sent.clone()));
    assert_eq!(hear(&mut second).await, Heard::Signal(sent));
}

pub async fn publishing_without_listeners_is_nothing(bus: Arc<dyn Bus>) {
    for seq in 0..10_000 {
        bus.publish(&lane("a"), signal(seq));
    }
    let mut listener = bus.subscribe(&lane("a"));
    assert!(silent(&mut listener).await);
}

pub async fn a_slow_listener_is_told_that_it_missed_some(bus: Arc<dyn Bus>) {
    let mut listener = bus.subscribe(&lane("a"));
    let last = 100_000;
    for seq in 0..=last {
        bus.publish(&lane("a"), signal(seq));
    }
    let mut missed = 0;
    let mut before = None;
    loop {
        match hear(&mut listener).await {
            Heard::Missed => missed += 1,
            Heard::Signal(Signal::Transcript { seq, .. }) => {
                assert!(before < Some(seq), "{seq} after {before:?}");
                before = Some(seq);
                if seq == last {
                    break;
                }
            }
            other => panic!("heard {other:?}"),
        }
    }
    assert!(missed > 0);
    // It goes on as before.
    bus.publish(&lane("a"), signal(1));
    assert_eq!(hear(&mut listener).await, Heard::Signal(signal(1)));
}

pub async fn a_waiting_listener_is_woken(bus: Arc<dyn Bus>) {
    let mut listener = bus.subscribe(&lane("a"));
    let waiting = tokio::spawn(async move { hear(&mut listener).await });
    tokio::task::yield_now().await;
    bus.publish(&lane("a"), signal(1));
    assert_eq!(
        waiting.await.expect("the listener does not panic"),
        Heard::Signal(signal(1))
    );
}

pub async fn waiting_can_be_given_up_without_loss(bus: Arc<dyn Bus>) {
    let mut listener = bus.subscribe(&lane("a"));
    assert!(silent(&mut listener).await);
    bus.publish(&lane("a"), signal(1));
    assert_eq!(hear(&mut listener).await, Heard::Signal(signal(1)));
}

pub async fn many_publishers_at_once_lose_nothing_within_bounds(bus: Arc<dyn Bus>) {
    let mut listener = bus.subscribe(&lane("a"));
    let mut tasks = tokio::task::JoinSet::new();
    for publisher in 0..8 {
        let bus = bus.clone();
        tasks.spawn_blocking(move || {
            for seq in 0..4 {
                bus.publish(&lane("a"), signal(publisher * 4 + seq));
            }
        });
    }
    tasks.join_all().await;
    let mut heard = Vec::new();
    for _ in 0..32 {
        match hear(&mut listener).await {
            Heard::Signal(Signal::Transcript { seq, .. }) => heard.push(seq),
            other => panic!("heard {other:?}"),
        }
    }
    heard.sort_unstable();
    assert_eq!(heard, (0..32).collect::<Vec<_>>());
}
