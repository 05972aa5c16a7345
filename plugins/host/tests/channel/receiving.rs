//! What becomes of events, over reloads, other settings and failures.

use super::{tape::*, *};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_under_traffic_loses_doubles_and_reorders_nothing() {
    const EVENTS: u32 = 400;
    let tape = Taped::new("traffic").await;
    let stop = Stop::new();
    let running = tape.run(&stop);
    let writing = tokio::spawn({
        async move {
            for number in 0..EVENTS {
                far().get_mut("traffic").unwrap().waiting.push_back(number);
                tokio::task::yield_now().await;
            }
        }
    });
    let mut sent = Vec::new();
    for round in 0..12 {
        let before = tape.sink.events().len();
        let (plugin, sends) = (tape.plugin(), (0..4).map(|n| format!("{round}-{n}")));
        sent.extend(sends.clone());
        let tape = &tape;
        let sends = sends.map(|text| async move { (text.clone(), tape.send(&text).await) });
        let (retired, ends) = tokio::join!(plugin.reload(None), futures::future::join_all(sends));
        assert_eq!(retired.unwrap(), Retired::Destroyed);
        for (text, end) in ends {
            assert!(end.is_ok(), "{text}: {end:?}");
        }
        if before < EVENTS as usize {
            until(|| tape.sink.events().len() > before).await;
        }
    }
    writing.await.unwrap();
    until(|| tape.sink.events().len() == EVENTS as usize).await;
    stop.stop();
    running.await.unwrap().unwrap();
    tape.each_once(EVENTS, sent);
    assert_eq!(tape.plugins.shutdown().await[0].1, Retired::Destroyed);
    let gone = tape.send("late").await;
    assert!(matches!(gone, Err(SendError::Transient(_))), "{gone:?}");
    assert!(matches!(tape.channel.health(), Health::Broken(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_opened_anew_goes_over_once_and_refused_settings_change_nothing() {
    const EVENTS: u32 = 300;
    let mut tape = Taped::new("anew").await;
    let kind = kind::<Tape>(&tape.plugins);
    let mut stop = Stop::new();
    let mut running = tape.run(&stop);
    let writing = tokio::spawn(async move {
        for number in 0..EVENTS {
            far().get_mut("anew").unwrap().waiting.push_back(number);
            tokio::task::yield_now().await;
        }
    });
    let mut left = Vec::new();
    for round in 0..8 {
        let refused = kind.open(opening("tape", "anew", json!({"name": "closed"})));
        let refused = refused.await.err().unwrap().to_string();
        assert!(refused.contains("there is no such tape"), "{refused}");
        let before = tape.sink.events().len();
        if before < EVENTS as usize {
            until(|| tape.sink.events().len() > before).await;
        }

        // As the server does it: opened, then the one before is stopped, then the new one runs.
        let settings = json!({"name": "anew", "round": round});
        let sends = (0..4).map(|n| format!("{round}-{n}"));
        left.extend(sends.clone());
        let before = &tape;
        let sends = sends.map(|text| async move { before.send(&text).await });
        let opened = kind.open(opening("tape", "anew", settings));
        let (channel, ends) = tokio::join!(opened, futures::future::join_all(sends));
        assert!(ends.iter().all(Result::is_ok), "{ends:?}");
        stop.stop();
        running.await.unwrap().unwrap();
        tape.channel = channel.unwrap();
        stop = Stop::new();
        running = tape.run(&stop);
        // A reload of its file serves the new settings as well.
        assert_eq!(
            tape.plugin().reload(None).await.unwrap(),
            Retired::Destroyed
        );
    }
    writing.await.unwrap();
    until(|| tape.sink.events().len() == EVENTS as usize).await;
    stop.stop();
    running.await.unwrap().unwrap();
    tape.each_once(EVENTS, left);
    assert_eq!(tape.plugins.health().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_stored_is_read_again() {
    let tape = Taped::new("locked").await;
    for _ in 0..2 {
        far()
            .get_mut("locked")
            .unwrap()
            .waiting
            .extend([1, 2, 2, 3]);
    }
    tape.sink
        .fail_next(InboxError::Unavailable("locked".into()));
    let stop = Stop::new();
    let running = tape.run(&stop);
    until(|| far()["locked"].waiting.is_empty()).await;
    stop.stop();
    running.await.unwrap().unwrap();
    let ids: Vec<String> = tape.sink.events().into_iter().map(|e| e.id).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(tape.channel.addresses(), ["tape"]);
    assert_eq!(tape.channel.in_band(), Some(Duration::from_millis(500)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_does_not_open_is_refused_with_the_reason() {
    let World { plugins, .. } = world();
    let plugins = Arc::new(plugins);
    for (name, why) in [
        ("closed", "there is no such tape"),
        ("odd", "text.max"),
        ("panics", "panicked"),
    ] {
        let opened = kind::<Tape>(&plugins)
            .open(opening("tape", name, json!({"name": name})))
            .await;
        let refused = opened.err().unwrap().to_string();
        assert!(refused.contains(why), "{refused}");
        assert!(plugins.get(&format!("tape.{name}")).is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_credential_ends_receiving_until_it_is_mended() {
    let tape = Taped::new("refused").await;
    let ended = tape.channel.run(tape.inbox(), Stop::new()).await;
    assert!(matches!(ended, Err(ChannelError::Unauthorized(why)) if why == "wrong ribbon"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_never_ends_is_left_behind_and_the_next_takes_over() {
    let tape = Taped::new("hangs").await;
    let stop = Stop::new();
    let running = tape.run(&stop);
    until(|| HUNG.load(Ordering::SeqCst) == 1).await;
    let retired = tape.plugin().reload(None).await.unwrap();
    assert!(matches!(retired, Retired::Leaked(_)), "{retired:?}");
    until(|| HUNG.load(Ordering::SeqCst) == 2).await;
    stop.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_the_platform_are_answered_or_come_again() {
    let tape = Taped::new("http").await;
    let base = "/hooks/tape/http";
    let (status, _, body) = tape.call(&format!("{base}/a/%41?b=c")).await;
    let said: Value = serde_json::from_str(&body).unwrap();
    let expected = json!({"path": "/a/%41", "query": "b=c", "method": "POST"});
    assert_eq!((status, said), (200, expected));
    let (status, headers, _) = tape.call(&format!("{base}/later")).await;
    assert_eq!(
        (status, &headers["retry-after"]),
        (503, &"2".parse().unwrap())
    );
    assert_eq!(tape.call(&format!("{base}/fail")).await.0, 500);
    assert_eq!(tape.call(&format!("{base}/panic")).await.0, 500);
    assert_eq!(tape.call("/hooks/tape/other").await.0, 404);
    tape.plugin().disable("maintenance");
    assert_eq!(tape.call(base).await.0, 503);
    assert!(matches!(tape.channel.health(), Health::Broken(why) if why.contains("maintenance")));
}
