//! Connections and name resolution, shared by all clients of a process.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{
    NetError, NetErrorKind,
    address::{Reach, reach},
};

/// Longest wait for a name and a connection.
const CONNECT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);
const IDLE_PER_HOST: usize = 16;

/// Turns a name into addresses. It is asked once for every new connection, and the connection is
/// made to one of the addresses it gave: a name that changes its mind in between gains nothing.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// A connection pool behind the address guard. Cheap to clone; make one and share it.
#[derive(Clone, Debug)]
pub struct Transport {
    http: reqwest::Client,
}

impl Transport {
    /// Fails when the TLS library cannot start.
    pub fn new(resolver: Arc<dyn Resolver>) -> Result<Self, NetError> {
        let http = reqwest::Client::builder()
            .dns_resolver(Arc::new(Guard(resolver)))
            // A redirect would leave the allow-list; a proxy from the environment, the guard.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http1_only()
            .user_agent("tandem")
            .build()
            .map_err(|error| {
                let text = format!("the HTTP client cannot start: {error}");
                NetError::new(NetErrorKind::Misconfigured, text)
            })?;
        Ok(Self { http })
    }

    /// With the operating system's resolver. Fails as [`Transport::new`] does.
    pub fn system() -> Result<Self, NetError> {
        Self::new(Arc::new(SystemResolver))
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }
}

/// Lets a name through only if every address it has may be reached.
struct Guard(Arc<dyn Resolver>);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.0.clone();
        Box::pin(async move {
            let found = resolver.resolve(name.as_str()).await?;
            let addresses = vet(name.as_str(), found)?;
            let addresses: Addrs = Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

/// A name led where it must not.
#[derive(Debug)]
pub(crate) struct OutOfBounds;

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name does not lead to a public address")
    }
}

impl std::error::Error for OutOfBounds {}

/// One address out of bounds spoils the answer: mixed ones are how rebinding begins. `localhost`
/// reaches this point only where a policy allows it, and may only be this machine.
fn vet(name: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, OutOfBounds> {
    let local = name == "localhost";
    let fine = |ip: &IpAddr| match reach(*ip) {
        Reach::Public => !local,
        Reach::Private => local && ip.is_loopback(),
        Reach::Never => false,
    };
    if found.is_empty() || !found.iter().all(fine) {
        return Err(OutOfBounds);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Answers differently every time.
    struct Fickle(Mutex<Vec<Vec<&'static str>>>);

    #[async_trait]
    impl Resolver for Fickle {
        async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
            let answer = self.0.lock().unwrap().remove(0);
            Ok(answer.iter().map(|text| text.parse().unwrap()).collect())
        }
    }

    #[tokio::test]
    async fn a_name_that_rebinds_is_refused_and_never_asked_twice() {
        let guard = Guard(Arc::new(Fickle(Mutex::new(vec![
            vec!["93.184.216.34", "2606:4700::1111"],
            vec!["127.0.0.1"],
            vec!["93.184.216.34", "169.254.169.254"],
            vec!["::ffff:10.0.0.1"],
            vec![],
        ]))));
        let ask = || guard.resolve("shop.example.test".parse().unwrap());
        let first: Vec<_> = ask().await.unwrap().map(|address| address.ip()).collect();
        assert_eq!(first.len(), 2);
        for _ in 0..4 {
            assert!(ask().await.is_err());
        }
    }

    #[test]
    fn localhost_is_this_machine_only() {
        let ip = |text: &str| vec![text.parse().unwrap()];
        assert!(vet("localhost", ip("127.0.0.1")).is_ok());
        assert!(vet("localhost", ip("::1")).is_ok());
        assert!(vet("localhost", ip("10.0.0.1")).is_err());
        assert!(vet("localhost", ip("8.8.8.8")).is_err());
        assert!(vet("localhost.evil.test", ip("127.0.0.1")).is_err());
    }
}
