//! Writes `include/tandem_plugin.h` anew from the layout.
use std::path::Path;

#[path = "../tests/generate/mod.rs"]
mod generate;

fn main() {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/tandem_plugin.h");
    std::fs::write(at, generate::header()).expect("the header can be written");
}
