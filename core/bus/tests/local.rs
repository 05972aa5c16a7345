//! The local bus: what every bus shows, and what is its own.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tandem_bus::{LocalBus, bus_conformance};
use tandem_domain::{
    AccountId, LaneId,
    bus::{Bus, Heard, Signal, Topic},
};

bus_conformance!(Arc::new(LocalBus::new()));

fn lane(name: &str) -> Topic {
    Topic::Lane(LaneId::derive(&[name]))
}

#[tokio::test]
async fn a_topic_goes_with_its_last_listener() {
    let bus = LocalBus::new();
    let first = bus.subscribe(&lane("a"));
    let second = bus.subscribe(&lane("a"));
    let other = bus.subscribe(&lane("b"));
    assert_eq!(bus.topics(), 2);
    drop(first);
    assert_eq!(bus.topics(), 2);
    drop(second);
    assert_eq!(bus.topics(), 1);
    drop(other);
    assert_eq!(bus.topics(), 0);
}

#[tokio::test]
async fn listeners_hear_what_was_said_and_then_that_the_bus_closed() {
    let bus = LocalBus::new();
    let mut listener = bus.subscribe(&Topic::Outbox);
    let signal = Signal::Outbox {
        account: AccountId::new("web-1"),
    };
    bus.publish(&Topic::Outbox, signal.clone());
    bus.close();
    assert_eq!(listener.next().await, Heard::Signal(signal));
    assert_eq!(listener.next().await, Heard::Closed);
    assert_eq!(bus.subscribe(&lane("a")).next().await, Heard::Closed);
    assert_eq!(bus.topics(), 0);
}

#[tokio::test]
async fn the_bus_closes_with_its_last_owner() {
    let bus = LocalBus::new();
    let mut listener = bus.subscribe(&lane("a"));
    let waiting = tokio::spawn(async move { listener.next().await });
    tokio::task::yield_now().await;
    drop(bus.clone());
    assert!(!waiting.is_finished());
    drop(bus);
    assert_eq!(waiting.await.unwrap(), Heard::Closed);
}

/// Linux tells a process its resident pages; elsewhere there is nothing to measure with.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn ten_thousand_idle_listeners_are_cheap() {
    fn resident() -> u64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4096
    }
    const LISTENERS: usize = 10_000;
    let bus = LocalBus::new();
    let topics: Vec<_> = (0..LISTENERS).map(|n| lane(&n.to_string())).collect();
    let mut listeners = Vec::with_capacity(LISTENERS);
    let before = resident();
    for topic in &topics {
        listeners.push(bus.subscribe(topic));
    }
    let each = (resident() - before) / LISTENERS as u64;
    println!("{each} bytes an idle listener");
    assert!(each < 600, "{each} bytes an idle listener");
    drop(listeners);
    assert_eq!(bus.topics(), 0);
}
