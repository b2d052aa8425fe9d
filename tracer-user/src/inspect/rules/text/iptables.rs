//! The part of an iptables rule before its first extension, as `iptables-save` prints it.
//!
//! Extensions print themselves (`inspect::rules::xt`).

use std::fmt::{self, Display};
use std::net::IpAddr;

/// What is asked of the network header, each with "inverted".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Address and mask; without one nothing is asked.
    pub source: Option<Asked<(IpAddr, IpAddr)>>,
    pub destination: Option<Asked<(IpAddr, IpAddr)>>,
    /// As [`interface`] shows it.
    pub input: Option<Asked<String>>,
    pub output: Option<Asked<String>>,
    pub protocol: Option<Asked<u16>>,
    /// IPv4's `-f`.
    pub fragment: Option<Asked<()>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<T> {
    pub inverted: bool,
    pub value: T,
}

impl Display for Head {
    /// Each part with a space before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (switch, asked) in [("-s", &self.source), ("-d", &self.destination)] {
            if let Some(asked) = asked {
                let (address, mask) = asked.value;
                part(f, asked.inverted, switch)?;
                write!(f, " {}", Network { address, mask })?;
            }
        }
        for (switch, asked) in [("-i", &self.input), ("-o", &self.output)] {
            if let Some(asked) = asked {
                part(f, asked.inverted, switch)?;
                write!(f, " {}", asked.value)?;
            }
        }
        if let Some(asked) = &self.protocol {
            part(f, asked.inverted, "-p")?;
            match protocol(asked.value) {
                Some(name) => write!(f, " {name}")?,
                None => write!(f, " {}", asked.value)?,
            }
        }
        match &self.fragment {
            Some(asked) => part(f, asked.inverted, "-f"),
            None => Ok(()),
        }
    }
}

fn part(f: &mut fmt::Formatter<'_>, inverted: bool, switch: &str) -> fmt::Result {
    f.write_str(if inverted { " ! " } else { " " })?;
    f.write_str(switch)
}

/// `10.0.0.0/8`; a mask that is no prefix is shown whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub mask: IpAddr,
}

impl Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ones, all) = match self.mask {
            IpAddr::V4(mask) => (u32::from(mask).leading_ones(), u32::from(mask).count_ones()),
            IpAddr::V6(mask) => (u128::from(mask).leading_ones(), u128::from(mask).count_ones()),
        };
        if ones == all {
            write!(f, "{}/{ones}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.mask)
        }
    }
}

/// An interface's name, `eth+` where only its beginning is compared; `None`: nothing is.
pub fn interface(name: &[u8; 16], mask: &[u8; 16]) -> Option<String> {
    let compared = mask.iter().take_while(|&&byte| byte != 0).count();
    if compared == 0 {
        return None;
    }
    let named = name.iter().take(compared).take_while(|&&byte| byte != 0).count();
    let mut shown = String::from_utf8_lossy(name.get(..named)?).into_owned();
    if named == compared && compared < mask.len() {
        shown.push('+');
    }
    Some(shown)
}

/// The name that the tools print for a protocol's number.
pub fn protocol(number: u16) -> Option<&'static str> {
    let known = PROTOCOLS.iter().find(|(known, _)| *known == number);
    known.map(|(_, name)| *name)
}

/// As Debian's `/etc/protocols` has them, which the tools read, or their own list.
const PROTOCOLS: &[(u16, &str)] = &[
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipencap"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (41, "ipv6"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (88, "eigrp"),
    (89, "ospf"),
    (94, "ipip"),
    (103, "pim"),
    (108, "ipcomp"),
    (112, "vrrp"),
    (132, "sctp"),
    (135, "mobility-header"),
    (136, "udplite"),
];
