//! Which crate may use which, as docs/architecture.md draws it. Dev-dependencies are free.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Crate → what it may use of ours.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("lua", &["domain"]),
    ("net", &["domain"]),
    ("entities", &["domain"]),
    ("understanding", &["domain", "entities"]),
    ("routing", &["domain"]),
    ("store", &["domain"]),
    ("bus", &["domain"]),
    ("channel-kit", &["domain"]),
    ("flow", &["domain", "entities", "lua"]),
    (
        "engine",
        &[
            "domain",
            "flow",
            "understanding",
            "routing",
            "channel-kit",
            "lua",
            "net",
        ],
    ),
    ("api", &["domain", "engine", "desk", "channel-kit", "net"]),
    ("channel-web", &["channel-kit", "domain"]),
    ("channel-discord", &["channel-kit", "domain"]),
    ("channel-script", &["channel-kit", "domain", "lua", "net"]),
    ("channel-telegram", &["channel-kit", "domain", "net"]),
    ("channel-wechat", &["channel-kit", "domain", "net"]),
    ("plugin-abi", &[]),
    ("plugin-sdk", &["plugin-abi"]),
    (
        "plugin-host",
        &["channel-kit", "domain", "plugin-abi", "plugin-sdk"],
    ),
    ("plugin-irc", &["plugin-sdk"]),
    ("plugin-parcel", &["plugin-sdk"]),
];

/// Libraries that only these crates may use.
const FENCES: &[(&str, &[&str])] = &[
    ("rusqlite", &["store", "server"]),
    ("mlua", &["lua", "channel-script"]),
    // Discord: its own platform only, and a WebSocket that the guarded client does not make. A plugin
    // is a program of its own: what it uses is its business.
    ("reqwest", &["net", "channel-discord", "plugin-parcel"]),
    ("libloading", &["plugin-host"]),
    ("minijinja", &["flow"]),
    ("teloxide", &["channel-telegram"]),
    ("serenity", &["channel-discord"]),
];

#[test]
fn crates_use_only_what_the_architecture_allows() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for package in metadata.workspace_packages() {
        let Some(name) = package.name.strip_prefix("tandem-") else {
            wrong.push(format!("{} is not named tandem-…", package.name));
            continue;
        };
        seen.insert(name.to_owned());
        let uses = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal);
        for used in uses {
            if let Some((_, allowed)) = FENCES.iter().find(|(library, _)| *library == used.name)
                && !allowed.contains(&name)
                && name != "tests"
            {
                wrong.push(format!("{name} uses the library {}", used.name));
            }
            let Some(other) = used.name.strip_prefix("tandem-") else {
                continue;
            };
            let free = matches!(name, "server" | "tests");
            let allowed = arrows.get(name).is_some_and(|list| list.contains(&other));
            if !free && !allowed {
                wrong.push(format!("{name} → {other} is not in the architecture"));
            }
        }
    }
    for (name, _) in ARROWS {
        assert!(
            seen.contains(*name),
            "the architecture names {name}, and no crate is called so"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
