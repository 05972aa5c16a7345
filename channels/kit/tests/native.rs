//! The channel that docs/channels/native.md shows, against the suite that every channel passes.
#![allow(clippy::unwrap_used)]

#[path = "native/pigeon.rs"]
mod pigeon;
#[path = "native/pigeon_passes.rs"]
mod pigeon_passes;

/// The document shows these very files.
#[test]
fn the_document_shows_what_is_tested() {
    for document in [
        include_str!("../../../docs/channels/native.md"),
        include_str!("../../../docs/channels/native.zh.md"),
    ] {
        for file in [
            include_str!("native/pigeon.rs"),
            include_str!("native/pigeon_passes.rs"),
        ] {
            assert!(document.contains(file), "an example differs from its test");
        }
    }
}
