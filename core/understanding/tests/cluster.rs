//! Clusters of unmatched questions: they find what is asked, keep their ids, and bear anything.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use proptest::prelude::*;
use tandem_understanding::cluster::{
    Broken, ClusterId, Clusters, GroupId, MAX_GROUPS, Question, Stored, quality,
};

const TOPICS: [&[&str]; 5] = [
    &[
        "do you rent out carpet cleaners",
        "can I rent a carpet cleaner from you",
        "renting a machine to clean my carpet",
        "carpet cleaner rental price please",
        "how much to rent the carpet cleaner for a weekend",
    ],
    &[
        "is there a vegan leather sofa",
        "do you have sofas in vegan leather",
        "vegan leather for the armchair?",
        "looking for a sofa that is vegan, no real leather",
        "are your leather sofas vegan",
    ],
    &[
        "can you charge my electric car at the store",
        "is there an ev charger in the car park",
        "electric car charging at your stores",
        "charging station for electric cars?",
        "where do I charge my electric car when I visit",
    ],
    &[
        "你们回收旧灯泡吗",
        "旧灯泡可以拿到店里回收吗",
        "请问灯泡回收放哪里",
        "想把旧灯泡给你们回收",
        "旧灯泡回收点在哪",
    ],
    &[
        "家具可以租吗",
        "你们有家具租赁服务吗",
        "想租一套家具，怎么收费",
        "请问家具租赁多少钱一个月",
        "租家具可以吗",
    ],
];

/// The topics' questions, one of each in turn.
fn questions() -> Vec<(usize, &'static str)> {
    (0..5)
        .flat_map(|n| (0..TOPICS.len()).map(move |topic| (topic, TOPICS[topic][n])))
        .collect()
}

fn add(clusters: &mut Clusters, text: &str) -> Option<GroupId> {
    clusters.add(&Question::new(text)).map(|p| p.group)
}

fn filled() -> (Clusters, Vec<(usize, GroupId)>) {
    let mut clusters = Clusters::new();
    let placed = questions()
        .into_iter()
        .map(|(topic, text)| (topic, add(&mut clusters, text).unwrap()))
        .collect();
    clusters.refine();
    (clusters, placed)
}

#[test]
fn questions_that_ask_the_same_meet() {
    let (clusters, placed) = filled();
    let pairs: Vec<(ClusterId, usize)> = placed
        .iter()
        .map(|(topic, group)| (clusters.cluster_of(*group).unwrap(), *topic))
        .collect();
    let found = quality::agreement(&pairs);
    assert!(found.nmi > 0.85, "{found:?} {:#?}", clusters.summaries(5));
    assert!((found.purity - 1.0).abs() < 1e-9, "{found:?}");
}

#[test]
fn a_cluster_is_called_by_a_question_of_its_own_and_what_sets_it_apart() {
    let (clusters, _) = filled();
    let summaries = clusters.summaries(2);
    let all: BTreeSet<&str> = questions().into_iter().map(|(_, text)| text).collect();
    for summary in &summaries {
        assert!(all.contains(summary.label.as_str()), "{summary:?}");
        assert_eq!(summary.examples.first(), Some(&summary.label));
        assert!(summary.examples.len() <= 2);
    }
    let of = |word: &str| {
        summaries
            .iter()
            .find(|s| s.label.contains(word))
            .unwrap_or_else(|| panic!("{word}: {summaries:#?}"))
    };
    assert!(of("vegan").terms.iter().any(|t| t == "vegan"));
    assert!(
        of("灯泡").terms.iter().any(|t| t.contains("灯泡")),
        "{:?}",
        of("灯泡")
    );
    assert!(summaries.is_sorted_by_key(|s| std::cmp::Reverse(s.count)));
}

#[test]
fn a_new_question_joins_what_asks_the_same_and_else_opens_a_cluster() {
    let (mut clusters, placed) = filled();
    let vegan = placed.iter().find(|(topic, _)| *topic == 1).unwrap().1;
    let joined = clusters
        .add(&Question::new("do you have vegan leather sofas?"))
        .unwrap();
    assert!(!joined.opened);
    assert_eq!(Some(joined.cluster), clusters.cluster_of(vegan));
    let opened = clusters
        .add(&Question::new("does the parrot cage fit a macaw"))
        .unwrap();
    assert!(opened.opened);
}

#[test]
fn a_cluster_keeps_its_id_while_it_grows() {
    let (mut clusters, placed) = filled();
    let before: BTreeMap<GroupId, ClusterId> = clusters.groups().collect();
    assert!(
        clusters.refine().moved.is_empty(),
        "nothing new, nothing moves"
    );
    for text in [
        "carpet cleaner to rent?",
        "what does carpet cleaner rental cost",
        "旧灯泡回收吗",
        "vegan sofa please",
        "a quite different thing: aquarium pumps",
    ] {
        add(&mut clusters, text);
    }
    clusters.refine();
    let same = placed
        .iter()
        .filter(|(_, group)| clusters.cluster_of(*group) == before.get(group).copied())
        .count();
    assert!(same * 10 >= placed.len() * 9, "{same} of {}", placed.len());
}

#[test]
fn changes_tell_the_whole_story() {
    let mut clusters = Clusters::new();
    let mut known: BTreeMap<GroupId, ClusterId> = BTreeMap::new();
    for (_, text) in questions() {
        let placed = clusters.add(&Question::new(text)).unwrap();
        known.insert(placed.group, placed.cluster);
    }
    let ids: BTreeSet<ClusterId> = known.values().copied().collect();
    let changes = clusters.refine();
    for moved in &changes.moved {
        assert_eq!(known.insert(moved.group, moved.to), Some(moved.from));
    }
    for (from, _) in &changes.joined {
        known.remove(from);
    }
    assert_eq!(clusters.groups().collect::<BTreeMap<_, _>>(), known);
    let now: BTreeSet<ClusterId> = clusters.groups().map(|(_, c)| c).collect();
    let opened: BTreeSet<_> = changes.opened.iter().copied().collect();
    let closed: BTreeSet<_> = changes.closed.iter().map(|c| c.cluster).collect();
    assert_eq!(&(&ids | &opened) - &closed, now);
    for closed in &changes.closed {
        assert!(closed.into.is_some_and(|into| now.contains(&into)));
    }
}

#[test]
fn what_is_closed_or_forgotten_is_gone() {
    let (mut clusters, placed) = filled();
    let (_, group) = placed[0];
    let cluster = clusters.cluster_of(group).unwrap();
    assert!(clusters.close(cluster));
    assert!(!clusters.close(cluster));
    assert_eq!(clusters.cluster_of(group), None);
    assert!(clusters.summaries(9).iter().all(|s| s.id != cluster));
    let other = clusters.groups().next().unwrap().0;
    assert!(clusters.forget(other));
    assert!(!clusters.forget(other));
    assert!(Clusters::restore(clusters.store()).is_ok());
    let text = "do you rent out carpet cleaners";
    assert_ne!(
        add(&mut clusters, text),
        Some(group),
        "an id is not used twice"
    );
}

#[test]
fn the_same_questions_give_the_same_clusters_and_so_do_stored_ones() {
    let (one, _) = filled();
    let (two, _) = filled();
    assert_eq!(one.store(), two.store());
    let json = serde_json::to_string(&one.store()).unwrap();
    let stored: Stored = serde_json::from_str(&json).unwrap();
    let mut back = Clusters::restore(stored).unwrap();
    let mut one = one;
    for text in [
        "rent carpet machine",
        "旧灯泡",
        "car charging",
        "完全不同的问题",
    ] {
        assert_eq!(
            one.add(&Question::new(text)),
            back.add(&Question::new(text))
        );
    }
    assert_eq!(one.refine(), back.refine());
    assert_eq!(one.store(), back.store());
}

#[test]
fn broken_stores_are_refused() {
    let json = serde_json::to_value(filled().0.store()).unwrap();
    let with = |field: &str, value: serde_json::Value| {
        let mut json = json.clone();
        json[field] = value;
        Clusters::restore(serde_json::from_value::<Stored>(json).unwrap()).err()
    };
    assert_eq!(with("format", 9.into()), Some(Broken::Format(9)));
    assert_eq!(
        with("clusters", serde_json::json!([])),
        Some(Broken::Inconsistent)
    );
    assert_eq!(
        with("groups", serde_json::json!([])),
        Some(Broken::Inconsistent)
    );
    assert_eq!(with("next_group", 1.into()), Some(Broken::Inconsistent));
    assert_eq!(with("taken", 100.into()), None);
}

#[test]
fn vectors_bring_together_what_shares_no_word() {
    let of = |topic: usize, n: usize| {
        let mut vector = vec![0.05_f32; 8];
        vector[topic] = 1.0;
        vector[7] = 0.02 * n as f32;
        vector
    };
    let mut clusters = Clusters::new();
    let texts = [
        [
            "teal cushions",
            "pillows coloured like the sea",
            "something soft in petrol blue",
        ],
        [
            "kids bunk bed",
            "sleeping for two children above each other",
            "étagenbett",
        ],
    ];
    let mut groups = Vec::new();
    for n in 0..3 {
        for (topic, list) in texts.iter().enumerate() {
            let vector = of(topic, n);
            let question = Question {
                text: list[n],
                vector: Some(&vector),
            };
            groups.push((topic, clusters.add(&question).unwrap().group));
        }
    }
    clusters.refine();
    let found: BTreeSet<(usize, ClusterId)> = groups
        .iter()
        .map(|(topic, group)| (*topic, clusters.cluster_of(*group).unwrap()))
        .collect();
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn odd_vectors_count_as_none() {
    let mut clusters = Clusters::new();
    for vector in [
        vec![],
        vec![f32::NAN; 4],
        vec![f32::INFINITY; 4],
        vec![0.0; 4],
        vec![f32::MAX; 4],
        vec![1.0; 5_000],
        vec![1.0; 4],
        vec![1.0; 5],
        vec![-1.0; 4],
    ] {
        let question = Question {
            text: "how odd is this vector",
            vector: Some(&vector),
        };
        let similarity = clusters.add(&question).unwrap().similarity;
        assert!((0.0..=1.0).contains(&similarity), "{similarity}");
    }
    clusters.refine();
    assert!(Clusters::restore(clusters.store()).is_ok());
}

#[test]
fn hostile_questions_are_borne() {
    let mut clusters = Clusters::new();
    for nothing in [
        "",
        "   ",
        "🙂",
        "?!?",
        "\u{200B}\u{202E}",
        "12345678",
        "\0\0",
    ] {
        assert_eq!(add(&mut clusters, nothing), None, "{nothing:?}");
    }
    assert!(clusters.is_empty());
    assert!(clusters.refine().moved.is_empty());
    for text in [
        "long story ".repeat(10_000),
        "啊".repeat(50_000),
        (0..20_000).map(|n| format!("w{n}x ")).collect(),
        "a".repeat(100_000),
        "Z̴̛̗a̵͚l̷͎g̶̳o̵ ".repeat(2_000),
        "مرحبا שלום नमस्ते 你好 hello".to_owned(),
    ] {
        add(&mut clusters, &text);
    }
    clusters.refine();
    for summary in clusters.summaries(10) {
        assert!(summary.label.chars().count() <= 300);
    }
}

#[test]
fn all_the_same_is_one_group() {
    let mut clusters = Clusters::new();
    for _ in 0..5_000 {
        add(&mut clusters, "do you rent out carpet cleaners");
    }
    clusters.refine();
    assert_eq!(clusters.groups().count(), 1);
    assert_eq!(clusters.summaries(3)[0].count, 5_000);
}

#[test]
fn memory_is_bounded_whether_or_not_all_are_drawn_anew() {
    // Every question is unlike all others.
    let text = |n: u64| {
        let word = |k: u64| {
            let mut x = (n * 4 + k).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (0..7)
                .map(|_| {
                    x ^= x >> 29;
                    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
                    char::from(b'a' + (x % 26) as u8)
                })
                .collect::<String>()
        };
        format!("{} {} {} {}", word(0), word(1), word(2), word(3))
    };
    let mut clusters = Clusters::new();
    for n in 0..6_000 {
        add(&mut clusters, &text(n));
        assert!(clusters.groups().count() <= MAX_GROUPS);
    }
    assert!(clusters.groups().count() > MAX_GROUPS / 2);
    clusters.refine();
    assert!(clusters.groups().count() < MAX_GROUPS);
    assert!(Clusters::restore(clusters.store()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is done in whatever order: every group is in a cluster, every cluster has a group
    /// and a name, and what is stored can be taken up.
    #[test]
    fn nothing_is_lost_or_left_over(
        steps in proptest::collection::vec((0_u8..20, ".{0,40}", 0_usize..25), 1..60)
    ) {
        let known = questions();
        let mut clusters = Clusters::new();
        let mut taken = 0;
        for (step, odd, n) in steps {
            match step {
                0 => { clusters.refine(); }
                1 => {
                    let known = clusters.groups().nth(n);
                    if let Some((_, cluster)) = known {
                        prop_assert!(clusters.close(cluster));
                    }
                }
                2 => {
                    let known = clusters.groups().nth(n);
                    if let Some((group, _)) = known {
                        prop_assert!(clusters.forget(group));
                    }
                }
                3..8 => taken += u64::from(add(&mut clusters, &odd).is_some()),
                _ => {
                    taken += 1;
                    let text = known[n].1;
                    let placed = clusters.add(&Question::new(text)).unwrap();
                    prop_assert_eq!(clusters.cluster_of(placed.group), Some(placed.cluster));
                }
            }
            let used: BTreeSet<ClusterId> = clusters.groups().map(|(_, c)| c).collect();
            prop_assert_eq!(used.len(), clusters.len());
            prop_assert_eq!(clusters.taken(), taken);
            for summary in clusters.summaries(1) {
                prop_assert!(used.contains(&summary.id));
                prop_assert!(summary.count > 0 && !summary.label.is_empty());
            }
        }
        prop_assert!(Clusters::restore(clusters.store()).is_ok());
    }
}

/// The floors are a little under what is reached; `--nocapture` prints the figures.
#[test]
fn public_questions_fall_into_their_intents() {
    let folder = std::env::var("TANDEM_DATA").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        println!(
            "SKIPPED: no labelled messages in {} (set TANDEM_DATA)",
            folder.display()
        );
        return;
    }
    for (set, floor) in [
        ("dstc11_banking", 0.79),
        ("banking77", 0.71),
        ("hint3_curekart", 0.55),
        ("hint3_sofmattress", 0.69),
        ("smp2017_oos", 0.72),
        ("rasa_telecom_cn", 0.53),
    ] {
        let file = std::fs::read_to_string(folder.join(format!("{set}.jsonl"))).unwrap();
        let mut clusters = Clusters::new();
        let mut placed = Vec::new();
        for line in file.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            if line["split"] == "valid" {
                let group = add(&mut clusters, line["text"].as_str().unwrap());
                placed.push((group, line["label"].as_str().unwrap().to_owned()));
            }
        }
        let changes = clusters.refine();
        let joined: BTreeMap<GroupId, GroupId> = changes.joined.into_iter().collect();
        let pairs: Vec<(Option<ClusterId>, String)> = placed
            .into_iter()
            .map(|(group, label)| {
                let mut group = group;
                while let Some(into) = group.and_then(|g| joined.get(&g)) {
                    group = Some(*into);
                }
                (group.and_then(|g| clusters.cluster_of(g)), label)
            })
            .collect();
        let found = quality::agreement(&pairs);
        println!(
            "{set:<18} NMI {:.1} ARI {:.1} purity {:.1} clusters {} of {} labels",
            found.nmi * 100.0,
            found.ari * 100.0,
            found.purity * 100.0,
            found.clusters,
            found.labels
        );
        assert!(found.nmi > floor, "{set} {found:?}");
    }
}
