//! A bare axum server that gives every POST back: what the load test compares with.

use axum::{Router, body::Bytes, routing::post};

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    std::fs::write(
        std::env::args().nth(1).unwrap_or_else(|| "echo.url".into()),
        format!("http://{address}"),
    )?;
    let app = Router::new().route("/", post(|body: Bytes| async move { body }));
    axum::serve(listener, app).await?;
    Ok(())
}
