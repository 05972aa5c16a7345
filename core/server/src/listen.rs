//! The listener: a task a connection, and bounds on how long each may keep us waiting. A client
//! that sends a header a byte a minute is hung up on, and none of them holds up a server that
//! stops.

use std::{
    io::{Error, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::Service as _;

/// Pause where no connection can be taken: too many files are open, say.
const PAUSE: Duration = Duration::from_secs(1);

/// How long connections are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// For a request's header to be complete, from the connection's beginning or the last answer.
    pub idle: Duration,
    /// For requests under way when the server stops.
    pub drain: Duration,
}

/// Serves until `until` resolves, then finishes the requests that have begun, within bounds.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    until: impl Future<Output = ()>,
) {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.idle);
    let mut services = router.into_make_service_with_connect_info::<SocketAddr>();
    let graceful = GracefulShutdown::new();
    let mut until = std::pin::pin!(until);
    loop {
        let (stream, address) = tokio::select! {
            () = &mut until => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_clients(&error) => continue,
                Err(error) => {
                    tracing::error!(%error, "No connection can be taken.");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        // An answer is one small write: held back for the last one's acknowledgement it would be
        // 40 ms late.
        let _ = stream.set_nodelay(true);
        let service = match services.call(address).await {
            Ok(service) => TowerToHyperService::new(service),
            Err(never) => match never {},
        };
        let connection = http
            .serve_connection_with_upgrades(TokioIo::new(stream), service)
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "A connection broke.");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(bounds.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("Connections that would not end were cut off.");
    }
}

/// Whether only the one connection is lost.
fn is_clients(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}
