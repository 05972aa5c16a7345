//! A tokio runtime that begins and ends with its plugin.

use std::{future::Future, time::Duration};

use crate::Error;

/// Some threads that run futures. Keep it in the plugin; dropping it ends what still runs.
///
/// Methods block on it: the host gave them a thread for that.
#[derive(Debug)]
pub struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    /// # Errors
    /// When the system gives no threads.
    pub fn new(threads: usize) -> Result<Self, Error> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("plugin-runtime")
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
            .map_err(|why| Error::new("no_threads", why))
    }

    /// Runs a future to its end on this thread, or gives up after `limit_ms`, dropping it.
    ///
    /// # Errors
    /// The future's own, or `timeout`.
    pub fn within<T>(
        &self,
        limit_ms: u64,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = Duration::from_millis(limit_ms);
        let runtime = self.runtime();
        runtime.block_on(async {
            tokio::time::timeout(limit, work)
                .await
                .unwrap_or_else(|_| Err(Error::new("timeout", format_args!("after {limit_ms} ms"))))
        })
    }

    /// Where to spawn what runs beside calls.
    #[must_use]
    pub fn handle(&self) -> &tokio::runtime::Handle {
        self.runtime().handle()
    }

    fn runtime(&self) -> &tokio::runtime::Runtime {
        self.0.as_ref().expect("it is taken only by drop")
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Waits for nothing: a task that blocks must not hold up the server's shutdown.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_is_run_to_its_end_or_given_up() {
        let runtime = Runtime::new(1).unwrap();
        assert_eq!(runtime.within(60_000, async { Ok(7) }), Ok(7));
        let never = std::future::pending::<Result<(), Error>>();
        assert_eq!(runtime.within(1, never).unwrap_err().code, "timeout");
        let task = runtime.handle().spawn(async { 8 });
        let joined = runtime.within(60_000, async { task.await.map_err(|e| Error::new("e", e)) });
        assert_eq!(joined, Ok(8));
    }
}
