//! The numbers that a field is compared with, as nft prints them.

use super::names::{self, flags, named};
use super::nft::Context;
use super::{address, interface, unknown};
use crate::model::rules::{Family, Field, Value};
use std::net::{Ipv4Addr, Ipv6Addr};

/// How a field's numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Decimal,
    /// `0x00000539`.
    Mark,
    /// `0x3f`, where it has no name.
    Names(&'static [(u8, &'static str)]),
    /// The same, with a number in decimal.
    Words(&'static [(u8, &'static str)]),
    Flags(&'static [(u32, &'static str)]),
    Protocol,
    Ipv4,
    Ipv6,
    Device,
}

impl Context<'_> {
    pub(super) fn style(&self, field: Field, number: u128) -> Style {
        match field {
            Field::Nfproto if matches!(self.family, Family::Bridge | Family::Netdev) => {
                Style::Words(&[(2, "ip"), (10, "ip6")])
            }
            Field::Nfproto => Style::Words(&[(2, "ipv4"), (10, "ipv6")]),
            Field::L4Proto | Field::Ip4Protocol | Field::Ip6NextHeader | Field::CtL4Proto => Style::Protocol,
            Field::Ip4Source | Field::Ip4Destination => Style::Ipv4,
            Field::Ip6Source | Field::Ip6Destination => Style::Ipv6,
            Field::CtOriginalSource
            | Field::CtOriginalDestination
            | Field::CtReplySource
            | Field::CtReplyDestination => self.address(number),
            Field::TcpFlags => Style::Flags(names::TCP_FLAGS),
            Field::CtState => Style::Flags(names::CT_STATES),
            Field::CtStatus => Style::Flags(names::CT_STATUSES),
            Field::IcmpType => Style::Words(names::ICMP_TYPES),
            Field::IcmpCode => Style::Words(names::ICMP_CODES),
            Field::Icmp6Type => Style::Words(names::ICMP6_TYPES),
            Field::Icmp6Code => Style::Words(names::ICMP6_CODES),
            Field::InputInterface | Field::OutputInterface | Field::FibReversePath => Style::Device,
            Field::Mark | Field::CtMark | Field::SocketMark => Style::Mark,
            Field::PacketType => Style::Words(names::PACKET_TYPES),
            Field::Dscp => Style::Names(names::DSCP),
            Field::CtDirection => Style::Words(&[(0, "original"), (1, "reply")]),
            Field::FibSource
            | Field::FibDestination
            | Field::FibSourceInput
            | Field::FibDestinationInput
            | Field::FibSourceOutput
            | Field::FibDestinationOutput => Style::Words(names::ADDRESS_TYPES),
            Field::SourcePort
            | Field::DestinationPort
            | Field::InputName
            | Field::OutputName
            | Field::Length
            | Field::Ip4Length
            | Field::TimeToLive
            | Field::Ip4Fragment
            | Field::SocketUid
            | Field::SocketGid
            | Field::SocketTransparent
            | Field::SocketWildcard
            | Field::CtZone
            | Field::CtOriginalSourcePort
            | Field::CtOriginalDestinationPort
            | Field::CtReplySourcePort
            | Field::CtReplyDestinationPort => Style::Decimal,
        }
    }

    /// The style of an address whose family no field tells.
    pub(super) fn address(&self, number: u128) -> Style {
        let four = match self.family {
            Family::Ip => true,
            Family::Ip6 => false,
            Family::Inet | Family::Bridge | Family::Netdev | Family::Arp => {
                u32::try_from(number).is_ok() && self.network != Some(super::nft::IPV6)
            }
        };
        if four { Style::Ipv4 } else { Style::Ipv6 }
    }

    pub(super) fn number(&self, field: Field, number: u128) -> String {
        self.styled(self.style(field, number), number)
    }

    pub(super) fn styled(&self, style: Style, number: u128) -> String {
        let word = |name: Option<&str>| name.map_or_else(|| number.to_string(), str::to_owned);
        match style {
            Style::Decimal => number.to_string(),
            Style::Mark => format!("{number:#010x}"),
            Style::Names(table) => named(table, number).map_or_else(|| format!("{number:#04x}"), str::to_owned),
            Style::Words(table) => word(named(table, number)),
            Style::Flags(table) => flags(table, number, " | "),
            Style::Protocol => word(names::protocol(number)),
            Style::Ipv4 => {
                u32::try_from(number).map_or_else(|_| unknown("address"), |bits| Ipv4Addr::from(bits).to_string())
            }
            Style::Ipv6 => address::v6(Ipv6Addr::from(number)),
            Style::Device => {
                let name = u32::try_from(number).ok().and_then(|index| self.lookup.link(index));
                name.map_or_else(|| number.to_string(), |name| interface::nft(name.as_bytes(), false))
            }
        }
    }

    /// From one number to another: as a prefix where it is one of an address.
    pub(super) fn range(&self, style: Style, first: u128, last: u128) -> String {
        if first == last {
            return self.styled(style, first);
        }
        let prefix = bits(style).and_then(|bits| {
            let host = (first ^ last).checked_add(1)?;
            (host.is_power_of_two() && first & (host - 1) == 0).then(|| bits - host.trailing_zeros())
        });
        let text = self.styled(style, first);
        match prefix {
            Some(length) => format!("{text}/{length}"),
            None => format!("{text}-{}", self.styled(style, last)),
        }
    }

    pub(super) fn value(&self, field: Field, value: &Value) -> String {
        match value {
            Value::Number(number) => self.number(field, *number),
            Value::Name(name) => interface::nft(name, false),
        }
    }
}

/// How many bits an address has.
pub(super) fn bits(style: Style) -> Option<u32> {
    if style == Style::Ipv4 {
        Some(32)
    } else {
        (style == Style::Ipv6).then_some(128)
    }
}

/// The length of the prefix that this mask leaves of an address.
pub(super) fn prefix(style: Style, mask: u128) -> Option<u32> {
    let bits = bits(style)?;
    let length = mask.checked_shl(128 - bits)?.leading_ones();
    let whole = u128::MAX.checked_shl(bits - length).unwrap_or_default();
    let all = u128::MAX >> (128 - bits);
    (mask & all == whole & all).then_some(length)
}
