//! Which names a client may call this server by.
//!
//! A page in somebody's browser can have its own name point to this address (DNS rebinding) and then read what is here
//! as if it came from itself. Such a request names that page's host, which is neither an address nor one of ours.

use hyper::HeaderMap;
use hyper::header::HOST;
use std::net::{IpAddr, Ipv6Addr};

#[derive(Clone, Debug)]
pub(super) struct Hosts {
    /// Whether names are checked at all.
    pub(super) checked: bool,
    /// Names that are allowed beside `localhost` and addresses.
    pub(super) allowed: Vec<String>,
}

impl Hosts {
    /// A request without a host is no browser's.
    pub(super) fn allows(&self, headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(HOST).filter(|_| self.checked) else {
            return true;
        };
        let Some(name) = host.to_str().ok().and_then(name) else {
            return false;
        };
        let is_own = |own: &str| own.eq_ignore_ascii_case(name);
        is_address(name) || is_own("localhost") || self.allowed.iter().any(|own| is_own(own))
    }
}

/// The host without its port.
fn name(host: &str) -> Option<&str> {
    let end = host.rfind(']').map_or(0, |bracket| bracket + 1);
    let (_, rest) = host.split_at_checked(end)?;
    let colon = rest.find(':').map_or(host.len(), |colon| end + colon);
    host.get(..colon)
}

fn is_address(name: &str) -> bool {
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<IpAddr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(host: &[u8]) -> bool {
        let hosts = Hosts {
            checked: true,
            allowed: vec!["node-1.example".to_owned()],
        };
        let value = hyper::header::HeaderValue::from_bytes(host).unwrap();
        hosts.allows(&[(HOST, value)].into_iter().collect())
    }

    #[test]
    fn addresses_localhost_and_listed_names_are_allowed() {
        for host in [
            "localhost",
            "LocalHost:9469",
            "127.0.0.1:9469",
            "[::1]:9469",
            "10.0.0.7",
            "node-1.example:9469",
        ] {
            assert!(allows(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "[::1].evil.example",
            "[evil]:80",
            "",
            ":80",
        ] {
            assert!(!allows(host.as_bytes()), "{host}");
        }
        assert!(!allows(b"\xff\xfe"));
    }

    #[test]
    fn no_host_is_allowed_and_so_is_any_where_names_are_not_checked() {
        let mut hosts = Hosts {
            checked: true,
            allowed: Vec::new(),
        };
        assert!(hosts.allows(&HeaderMap::new()));
        hosts.checked = false;
        let value = hyper::header::HeaderValue::from_static("evil.example");
        assert!(hosts.allows(&[(HOST, value)].into_iter().collect()));
    }
}
