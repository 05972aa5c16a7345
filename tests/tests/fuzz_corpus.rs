//! Replays the fuzz corpora: inputs that once reached new code, or broke something.
#![allow(clippy::unwrap_used)]

use tandem_tests::{fuzz::TARGETS, root};

#[test]
fn every_kept_input_is_read_without_a_panic() {
    for (name, target) in TARGETS {
        let folder = root().join("tests/fuzz/corpus").join(name);
        let mut inputs: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            target(&std::fs::read(&input).unwrap());
        }
    }
}
