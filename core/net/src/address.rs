//! Which addresses a pack can never reach by name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is, as far as the guard cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anybody's: the public internet.
    Public,
    /// This machine or its private network. Reachable only where a policy names the address.
    Private,
    /// Link-local (where clouds serve credentials), multicast, unspecified, reserved: never.
    Never,
}

/// Classifies an address. Forms that carry an IPv4 address inside are judged by that.
#[must_use]
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (127 | 10, _, _) | (192, 168, _) => Reach::Private,
        (172, 16..=31, _) => Reach::Private,
        // Shared by carriers and used as private space by some clouds.
        (100, 64..=127, _) => Reach::Private,
        (0, _, _) | (169, 254, _) => Reach::Never,
        // Protocol assignments, documentation, relays, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18..=19, _) => Reach::Never,
        (198, 51, 100) | (203, 0, 113) => Reach::Never,
        (224..=255, _, _) => Reach::Never,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let s = address.segments();
    let tail = || {
        let [.., a, b, c, d] = address.octets();
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    if address == Ipv6Addr::LOCALHOST {
        return Reach::Private;
    }
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never,
        // IPv4-mapped, IPv4-compatible (obsolete), IPv4-translated.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => tail(),
        [0, 0, 0, 0, 0, 0, ..] => tail(),
        // NAT64: the well-known prefix carries an IPv4 address; the local one could carry any.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => tail(),
        [0x64, 0xff9b, ..] => Reach::Never,
        // 6to4 carries an IPv4 address, Teredo one in disguise.
        [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            reach_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Teredo, benchmarks, ORCHID and the rest of the protocol assignments; documentation.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Reach::Never,
        // Unique local.
        [0xfc00..=0xfdff, ..] => Reach::Private,
        [0x2000..=0x3fff, ..] => Reach::Public,
        // Link-local, site-local, multicast, discard, unassigned.
        _ => Reach::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Reach {
        reach(text.parse().unwrap())
    }

    #[test]
    fn addresses_are_judged_by_where_they_lead() {
        for text in [
            "8.8.8.8",
            "93.184.216.34",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
            "2002:808:808::1",
        ] {
            assert_eq!(of(text), Reach::Public, "{text}");
        }
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fc00::1",
            "fd12:3456::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "::ffff:0:10.0.0.1",
        ] {
            assert_eq!(of(text), Reach::Private, "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.7",
            "::",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::10.0.0.1",
            "2002:a9fe:a9fe::",
            "2001::1",
            "2001:db8::1",
            "100::1",
            "4000::1",
        ] {
            assert_eq!(of(text), Reach::Never, "{text}");
        }
    }
}
