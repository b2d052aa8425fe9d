//! What `iptables-save` prints of every rule, whatever it holds: `-s`, `-d`, `-i`, `-o`, `-p` and `-f`; and its quotes.

use super::names;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The part of a rule that belongs to no extension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub source: Option<Network>,
    pub destination: Option<Network>,
    pub input: Option<Device>,
    pub output: Option<Device>,
    pub protocol: Option<Protocol>,
    /// `-f`: second and further fragments of IPv4.
    pub fragment: Option<Fragment>,
}

/// Addresses that are alike under a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub mask: IpAddr,
    pub negated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub name: Box<[u8]>,
    /// Any name that begins so.
    pub prefix: bool,
    pub negated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    pub number: u16,
    pub negated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    pub negated: bool,
}

/// Each option with a space before it.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (option, network) in [("-s", &self.source), ("-d", &self.destination)] {
            if let Some(network) = network {
                write!(f, "{} {option} {network}", not(network.negated))?;
            }
        }
        for (option, device) in [("-i", &self.input), ("-o", &self.output)] {
            if let Some(device) = device {
                write!(f, "{} {option} {device}", not(device.negated))?;
            }
        }
        if let Some(protocol) = self.protocol {
            write!(f, "{} -p {protocol}", not(protocol.negated))?;
        }
        if let Some(fragment) = self.fragment {
            write!(f, "{} -f", not(fragment.negated))?;
        }
        Ok(())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.address)?;
        let bits = match self.mask {
            IpAddr::V4(mask) => contiguous(u128::from(u32::from(mask)) << 96, 32),
            IpAddr::V6(mask) => contiguous(u128::from(mask), 128),
        };
        match bits {
            Some(length) => write!(f, "{length}"),
            None => write!(f, "{}", self.mask),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = String::from_utf8_lossy(&self.name);
        write!(f, "{name}{}", if self.prefix { "+" } else { "" })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match names::protocol(u128::from(self.number)) {
            Some(name) if self.number != 0 => f.write_str(name),
            _ => write!(f, "{}", self.number),
        }
    }
}

/// A word of a rule: in quotes where it holds anything but letters, digits and a few signs.
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for char in word.chars() {
        if matches!(char, '"' | '\\' | '\'') {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted.push('"');
    quoted
}

/// The network of so many leading bits.
pub fn mask(length: u32, six: bool) -> IpAddr {
    let bits = u128::MAX
        .checked_shl(128_u32.saturating_sub(length))
        .unwrap_or_default();
    let six_bits = Ipv6Addr::from(bits);
    if six {
        return six_bits.into();
    }
    let [a, b, c, d, ..] = six_bits.octets();
    IpAddr::from([a, b, c, d])
}

fn contiguous(mask: u128, bits: u32) -> Option<u32> {
    let length = mask.leading_ones();
    (length <= bits && mask.count_ones() == length).then_some(length)
}

pub(super) fn not(negated: bool) -> &'static str {
    if negated { " !" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, mask: &str, negated: bool) -> Network {
        Network {
            address: address.parse().unwrap(),
            mask: mask.parse().unwrap(),
            negated,
        }
    }

    #[test]
    fn a_head_is_printed_in_the_order_of_iptables() {
        let head = Head {
            source: Some(network("10.0.0.0", "255.0.0.0", false)),
            destination: Some(network("10.0.0.0", "255.0.255.0", true)),
            input: Some(Device {
                name: b"eth".as_slice().into(),
                prefix: true,
                negated: false,
            }),
            output: Some(Device {
                name: b"lo".as_slice().into(),
                prefix: false,
                negated: true,
            }),
            protocol: Some(Protocol {
                number: 58,
                negated: true,
            }),
            fragment: Some(Fragment { negated: true }),
        };
        let text = " -s 10.0.0.0/8 ! -d 10.0.0.0/255.0.255.0 -i eth+ ! -o lo ! -p ipv6-icmp ! -f";
        assert_eq!(head.to_string(), text);
        assert_eq!(Head::default().to_string(), "");
    }

    #[test]
    fn prefixes_of_ipv6_are_lengths_and_other_masks_are_addresses() {
        assert_eq!(network("fd00::", "ff00::", false).to_string(), "fd00::/8");
        assert_eq!(network("::1", "::ffff", false).to_string(), "::1/::ffff");
        assert_eq!(network("0.0.0.0", "0.0.0.0", false).to_string(), "0.0.0.0/0");
        assert_eq!(mask(8, false), IpAddr::from([255, 0, 0, 0]));
        assert_eq!(mask(0, true), IpAddr::from([0; 16]));
    }

    #[test]
    fn protocols_without_a_name_are_numbers() {
        let shown = |number| Protocol { number, negated: false }.to_string();
        assert_eq!(
            (shown(6), shown(50), shown(200)),
            ("tcp".into(), "esp".into(), "200".into())
        );
    }

    #[test]
    fn words_with_signs_are_quoted() {
        assert_eq!(quoted("foo-1_x"), "foo-1_x");
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("a\"b\\"), "\"a\\\"b\\\\\"");
        assert_eq!(quoted(""), "\"\"");
    }
}
