//! The part of an iptables rule before its first extension, as `iptables-save` prints it.
//!
//! Extensions print themselves (`inspect::rules::xt`).

use super::address;
use super::names::{TCP_FLAGS, flags, protocol};
use crate::inspect::rules::bytes::text;
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
            match protocol(asked.value.into()) {
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
            write!(f, "{}/{ones}", Numeric(self.address))
        } else {
            write!(f, "{}/{}", Numeric(self.address), Numeric(self.mask))
        }
    }
}

/// The same without the prefix where all bits are compared, as extensions print it.
pub fn network(address: IpAddr, mask: IpAddr) -> String {
    let whole = match mask {
        IpAddr::V4(mask) => u32::from(mask) == u32::MAX,
        IpAddr::V6(mask) => u128::from(mask) == u128::MAX,
    };
    if whole {
        Numeric(address).to_string()
    } else {
        Network { address, mask }.to_string()
    }
}

/// An address as C's library prints it: the last 32 bits in IPv4's form where nothing but zeros is before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numeric(pub IpAddr);

impl Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&address(self.0))
    }
}

/// The names of TCP's flags; the two that iptables has no names for are shown in no text.
pub fn tcp_flags(bits: u8) -> String {
    match bits & 0x3f {
        0 => "NONE".to_owned(),
        bits => flags(TCP_FLAGS, bits.into(), ",").to_ascii_uppercase(),
    }
}

/// An interface's name, `eth+` where only its beginning is compared; `None`: nothing is.
pub fn interface(name: &[u8; 16], mask: &[u8; 16]) -> Option<String> {
    let compared = mask.iter().take_while(|&&byte| byte != 0).count();
    if compared == 0 {
        return None;
    }
    let named = name.iter().take(compared).take_while(|&&byte| byte != 0).count();
    let mut shown = text(name.get(..named)?);
    if named == compared && compared < mask.len() {
        shown.push('+');
    }
    Some(shown)
}
