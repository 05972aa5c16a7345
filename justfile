# The same steps as the build server's. `just --list` shows them.

# Everything that must be green.
ci: lint test

# Formats every crate.
fmt:
    cargo fmt --all

# Formatting, clippy without a warning, dependencies.
lint:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets -- -D warnings
    if command -v cargo-deny >/dev/null; then cargo deny check; else echo "SKIPPED: cargo-deny is not installed"; fi

# All tests; those that need Chromium say so when it is missing.
test:
    cargo test --workspace

# Benchmarks in process (see docs/benchmarks.md for the load test).
bench:
    cargo bench --workspace

# The load test over HTTP and WebSocket; needs wrk.
load:
    cargo build --release
    bash tests/load/run.sh

# Fuzz targets, ten minutes each.
fuzz seconds="600":
    FUZZ_SECONDS={{seconds}} cargo test --release -p tandem-tests --test fuzz -- --ignored --nocapture

# Starts the demo.
demo:
    cargo run --release
