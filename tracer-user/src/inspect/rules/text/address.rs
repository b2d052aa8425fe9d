//! Addresses as the tools print them, which is glibc's way.

use std::net::{IpAddr, Ipv6Addr};

/// Differs from the standard library's in one thing: `::127.0.0.53`.
pub fn address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => v6(address),
    }
}

pub(super) fn v6(address: Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
            let [.., a, b, c, d] = address.octets();
            format!("::{a}.{b}.{c}.{d}")
        }
        _ => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_ipv4_is_printed_so() {
        let shown = |text: &str| address(text.parse().unwrap());
        assert_eq!(shown("::7f00:35"), "::127.0.0.53");
        assert_eq!(shown("::ffff:1.2.3.4"), "::ffff:1.2.3.4");
        for same in ["::1", "::", "::ff", "fd00::1", "10.0.0.1", "::1:0:1"] {
            assert_eq!(shown(same), if same == "::1:0:1" { "::1:0:1" } else { same });
        }
    }
}
