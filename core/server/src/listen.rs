//! The listener: a task a connection, and bounds on how long each may keep us waiting. A client
//! that sends a header a byte a minute is hung up on, and none of them holds up a server that
//! stops.

use std::{
    io::{Error, ErrorKind},
    net::SocketAddr,
    pin::pin,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::watch};
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
    // Not the library's builder for several versions: it waits for the first byte for ever.
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.idle);
    let mut services = router.into_make_service_with_connect_info::<SocketAddr>();
    // Every connection holds a receiver: told by a value, gone when none is left.
    let (stopping, told) = watch::channel(());
    let mut until = pin!(until);
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
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut told = told.clone();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                _ = told.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "A connection broke.");
            }
        });
    }
    drop((listener, told));
    // Nobody to tell when no connection is open.
    let _ = stopping.send(());
    if tokio::time::timeout(bounds.drain, stopping.closed())
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
