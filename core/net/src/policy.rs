//! What a client may do.

use std::{net::IpAddr, time::Duration};

use url::{Host, Url};

use crate::{
    NetError,
    address::{Reach, reach},
};

/// The bounds of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Whose calls these are: names the circuit and appears in logs. A connection's name.
    pub name: String,
    /// The allow-list; with none in it nothing can be called.
    pub hosts: Vec<HostRule>,
    /// Lets `localhost` and private addresses be called where a rule names them literally. A
    /// host name that resolves to a private address stays refused.
    pub allow_private: bool,
    /// Bytes of an answer's body.
    pub max_body: usize,
    /// Of one attempt, connecting included.
    pub timeout: Duration,
    /// Attempts after the first, where repeating is safe.
    pub retries: u32,
    /// Waits are random between zero and this, doubled with every attempt…
    pub backoff: Duration,
    /// …up to this.
    pub backoff_max: Duration,
    /// The longest `Retry-After` that is honoured; a longer one is cut to this.
    pub retry_after_max: Duration,
    /// Failures in a row after which the circuit of a host opens.
    pub breaker_failures: u32,
    /// How long it stays open before one call may try again.
    pub breaker_pause: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: String::new(),
            hosts: Vec::new(),
            allow_private: false,
            max_body: 1 << 20,
            timeout: Duration::from_secs(10),
            retries: 2,
            backoff: Duration::from_millis(200),
            backoff_max: Duration::from_secs(5),
            retry_after_max: Duration::from_secs(10),
            breaker_failures: 5,
            breaker_pause: Duration::from_secs(30),
        }
    }
}

/// One entry of an allow-list: `shop.example.test`, `*.example.test`, `127.0.0.1:8099`. Without a
/// port it allows all of them; a wildcard does not allow the bare domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    host: RuleHost,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum RuleHost {
    Name(String),
    /// With the dot: `.example.test`.
    Suffix(String),
    Address(IpAddr),
}

impl HostRule {
    /// Fails on anything that is no host: schemes, paths, a lone or a second `*`, a wildcard over
    /// a whole top-level domain.
    pub fn parse(text: &str) -> Result<Self, NetError> {
        let bad =
            || NetError::invalid(format!("{text:?} is not a host, a *.suffix or a host:port"));
        let (suffix, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (host, port) = match rest.rsplit_once(':') {
            // An IPv6 address stands in brackets when a port follows.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().map_err(|_| bad())?))
            }
            _ => (rest, None),
        };
        let bare = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        if bare.is_empty() || bare.contains(['/', '@', '*', '?', '#', '%', ' ']) {
            return Err(bad());
        }
        let host = match Host::parse(&bare).map_err(|_| bad())? {
            Host::Ipv4(_) | Host::Ipv6(_) if suffix => return Err(bad()),
            Host::Ipv4(address) => RuleHost::Address(address.into()),
            Host::Ipv6(address) => RuleHost::Address(address.into()),
            Host::Domain(name) if suffix && !name.contains('.') => return Err(bad()),
            Host::Domain(name) if suffix => RuleHost::Suffix(format!(".{name}")),
            Host::Domain(name) => RuleHost::Name(name),
        };
        Ok(Self { host, port })
    }

    /// Whether only a policy with `allow_private` can make use of it.
    pub(crate) fn is_private(&self) -> bool {
        match &self.host {
            RuleHost::Address(address) => reach(*address) != Reach::Public,
            RuleHost::Name(name) => name == "localhost",
            RuleHost::Suffix(_) => false,
        }
    }

    fn allows(&self, host: &Host<&str>, port: u16) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        match (&self.host, host) {
            (RuleHost::Name(name), Host::Domain(domain)) => name == domain,
            (RuleHost::Suffix(suffix), Host::Domain(domain)) => domain.ends_with(suffix),
            (RuleHost::Address(IpAddr::V4(own)), Host::Ipv4(address)) => own == address,
            (RuleHost::Address(IpAddr::V6(own)), Host::Ipv6(address)) => own == address,
            _ => false,
        }
    }
}

impl Policy {
    /// Reads the allow-list from text.
    pub fn with_hosts<S: AsRef<str>>(
        mut self,
        hosts: impl IntoIterator<Item = S>,
    ) -> Result<Self, NetError> {
        for host in hosts {
            self.hosts.push(HostRule::parse(host.as_ref())?);
        }
        Ok(self)
    }

    /// Whether this URL may be called at all. What its name resolves to is checked when
    /// connecting; an address in the URL never reaches the resolver and is checked here.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, url: &Url) -> Result<(), NetError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NetError::refused("only http and https can be called"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NetError::refused("a URL must not carry credentials"));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(NetError::refused("the URL names no host"));
        };
        if !self.hosts.iter().any(|rule| rule.allows(&host, port)) {
            return Err(NetError::refused(format!(
                "{host}:{port} is not allow-listed"
            )));
        }
        let found = match host {
            Host::Ipv4(address) => reach(address.into()),
            Host::Ipv6(address) => reach(address.into()),
            Host::Domain("localhost") => Reach::Private,
            Host::Domain(_) => Reach::Public,
        };
        match found {
            Reach::Public => Ok(()),
            Reach::Private if self.allow_private => Ok(()),
            _ => Err(NetError::refused(format!("{host} is not a public address"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow_private: bool) -> Policy {
        Policy {
            allow_private,
            ..Policy::default()
        }
        .with_hosts([
            "shop.example.test",
            "*.cdn.example.test",
            "api.example.test:8443",
            "127.0.0.1:8099",
            "localhost",
            "169.254.169.254",
            "10.0.0.7",
            "[::1]:80",
            "bücher.example",
        ])
        .unwrap()
    }

    fn allowed(allow_private: bool, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| policy(allow_private).check(&url).is_ok())
    }

    #[test]
    fn only_what_is_listed_can_be_called() {
        for url in [
            "https://shop.example.test/orders",
            "http://shop.example.test:81/",
            "https://SHOP.example.test/",
            "https://a.cdn.example.test/",
            "https://a.b.cdn.example.test/",
            "https://api.example.test:8443/",
            "https://xn--bcher-kva.example/",
        ] {
            assert!(allowed(false, url), "{url}");
        }
        for url in [
            "https://example.test/",
            "https://evilshop.example.test/",
            "https://shop.example.test.evil.test/",
            "https://cdn.example.test/",
            "https://evilcdn.example.test/",
            "https://api.example.test/",
            "https://shop.example.test@evil.test/",
            "https://user:secret@shop.example.test/",
            "ftp://shop.example.test/",
            "file:///etc/passwd",
            "http://8.8.8.8/",
        ] {
            assert!(!allowed(true, url), "{url}");
        }
    }

    #[test]
    fn private_addresses_need_the_rule_and_the_permission() {
        for url in [
            "http://127.0.0.1:8099/",
            "http://2130706433:8099/",
            "http://0x7f.1:8099/",
            "http://localhost:1234/",
            "http://10.0.0.7/",
            "http://[::1]/",
        ] {
            assert!(allowed(true, url), "{url}");
            assert!(!allowed(false, url), "{url}");
        }
        for url in [
            "http://127.0.0.1/",
            "http://127.0.0.2:8099/",
            "http://[::ffff:127.0.0.1]:8099/",
            "http://a.localhost/",
            "http://10.0.0.8/",
            "http://169.254.169.254/latest/meta-data",
        ] {
            assert!(!allowed(true, url), "{url}");
        }
    }

    #[test]
    fn rules_that_are_no_hosts_are_refused() {
        for text in [
            "",
            "*",
            "*.",
            "*.com",
            "*.*.test",
            "a*.test",
            "https://a.test",
            "a.test/x",
            "a.test:x",
            "a.test:70000",
            "u@a.test",
            "*.127.0.0.1",
            "a b",
        ] {
            assert!(HostRule::parse(text).is_err(), "{text}");
        }
    }
}
