//! Tools that a test needs and a fresh machine may not have.

use std::process::Command;

/// Whether the tool is there. Where it is not, the test says so and returns; with
/// `TANDEM_REQUIRE_ALL` set, as on the build server, it fails instead.
#[must_use]
pub fn tool(name: &str, test: &str) -> bool {
    let found = Command::new(name).arg("--version").output().is_ok();
    if !found {
        skip(test, &format!("{name} is not installed"));
    }
    found
}

/// Says visibly that a test did not run.
///
/// # Panics
/// When everything is required to run.
pub fn skip(test: &str, why: &str) {
    assert!(
        std::env::var_os("TANDEM_REQUIRE_ALL").is_none(),
        "{test} must run here, and {why}"
    );
    // Past the test runner's capture, so that a passing run shows it.
    let line = format!("\nSKIPPED {test}: {why}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes());
}
