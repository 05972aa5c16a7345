#!/usr/bin/env bash
# The load test of docs/benchmarks.md: the server on core 0, the load on core 1. Needs wrk.
# Release builds of `tandem` and of the examples `load` and `echo` of tandem-tests are made first.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}/release
cargo build --release -p tandem-server
cargo build --release -p tandem-tests --examples
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

cat > "$work/tandem.yaml" <<YAML
server: {listen: "127.0.0.1:18080"}
data_dir: $work/data
workspaces: {default: {pack: ${PACK:-$PWD/flows/retail}}}
channels: {web: {accounts: {web: {origins: ["*"], limits: {burst: 4000000000, per_second: 1000000000.0,
  sessions_burst: 4000000000, sessions_per_second: 1000000000.0, per_ip_burst: 0, connections_per_ip: 0, connections: 100000}}}}}
log: {level: error}
YAML
started=$(date +%s%N)
TOKIO_WORKER_THREADS=1 taskset -c 0 "$target/tandem" serve --config "$work/tandem.yaml" --format json > "$work/out" &
pid=$!
until [ -s "$work/out" ]; do sleep 0.005; done
echo "start-up: $(( ($(date +%s%N) - started) / 1000000 )) ms"
url=http://127.0.0.1:18080
load="taskset -c 1 $target/examples/load"

taskset -c 0 "$target/examples/echo" "$work/echo" &
until [ -s "$work/echo" ]; do sleep 0.05; done
echo "== bare axum echo"
printf 'wrk.method="POST"\nwrk.body="{\\"text\\":\\"how much is delivery?\\"}"\n' > "$work/echo.lua"
for _ in 1 2 3; do taskset -c 1 wrk -t1 -c64 -d10s -s "$work/echo.lua" "$(cat "$work/echo")" | grep Requests/sec; done

$load tokens $url 64 > "$work/tokens"
echo "== durable turns over HTTP: wrk -t1 -c64, three runs of 10 s"
for run in 1 2 3; do
  TANDEM_RUN=r$run TANDEM_TOKENS="$work/tokens" taskset -c 1 wrk -t1 -c64 -d10s --latency \
    -s tests/load/post.lua "$url/web/web/messages?wait=5000" | grep -E 'Requests/sec|50%|99%|Non-2xx'
done
echo "== at half of 8,000 a second"
$load http $url 64 10 4000
echo "== durable turns over WebSocket"
for _ in 1 2 3; do $load ws $url 64 10; done
echo "== history"
$load talk $url 110
$load talk $url 10000
echo "== idle sockets"
ulimit -n 65535 || true
$load idle $url 10000 $pid
echo "== stored conversations: 1 against 100,000"
$load http $url 16 5
$load fill $url 100000
$load http $url 16 5
