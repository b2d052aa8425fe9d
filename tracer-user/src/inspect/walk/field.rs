//! What a rule sees when it looks at a field of the packet.

use super::Walker;
use super::number::{Mark, Number};
use super::state::{Device, Entry, Flow, Site, State, Track};
use crate::model::rules::{Fact, Field, Tracking, Value};
use std::net::IpAddr;

impl Walker<'_> {
    /// The field as a number; a device's name is the number of its bytes.
    pub(super) fn field(&self, state: &State, field: Field) -> Number {
        let packet = &state.packet;
        let ipv6 = state.is_ipv6();
        let only = |wanted: bool, number: Number| if wanted { number } else { Number::Absent };
        match field {
            Field::Nfproto => Number::known(if ipv6 { 10_u8 } else { 2 }),
            Field::L4Proto => Number::known(packet.protocol),
            Field::Ip4Protocol => only(!ipv6, Number::known(packet.protocol)),
            Field::Ip6NextHeader => only(ipv6, Number::known(packet.protocol)),
            Field::Ip4Source => only(!ipv6, address(state.flow.source, 32)),
            Field::Ip4Destination => only(!ipv6, address(state.flow.destination, 32)),
            Field::Ip6Source => only(ipv6, address(state.flow.source, 128)),
            Field::Ip6Destination => only(ipv6, address(state.flow.destination, 128)),
            Field::SourcePort => Number::of(state.flow.source_port, 16),
            Field::DestinationPort => Number::of(state.flow.destination_port, 16),
            Field::TcpFlags => Number::of(packet.tcp_flags, 8),
            Field::IcmpType => only(packet.protocol == 1, icmp(packet.icmp, |(kind, _)| kind)),
            Field::IcmpCode => only(packet.protocol == 1, icmp(packet.icmp, |(_, code)| code)),
            Field::Icmp6Type => only(packet.protocol == 58, icmp(packet.icmp, |(kind, _)| kind)),
            Field::Icmp6Code => only(packet.protocol == 58, icmp(packet.icmp, |(_, code)| code)),
            Field::InputInterface => index(state.input),
            Field::OutputInterface => index(state.output),
            Field::InputName => self.name(state.input),
            Field::OutputName => self.name(state.output),
            Field::Mark => state.mark.number(),
            Field::PacketType => self.packet_type(state),
            Field::Length => Number::of(packet.length, 32),
            Field::Ip4Length => only(!ipv6, Number::of(packet.length, 16)),
            Field::TimeToLive => Number::of(packet.time_to_live, 8),
            Field::Dscp => Number::of(packet.dscp, 6),
            // Conntrack puts fragments together; "don't fragment" is not known.
            Field::Ip4Fragment => only(
                !ipv6,
                Number::Bits {
                    known: !0x4000,
                    value: 0,
                },
            ),
            Field::SocketUid => Number::of(packet.uid, 32),
            Field::SocketGid => Number::of(packet.gid, 32),
            Field::SocketTransparent | Field::SocketWildcard => Number::unknown(1),
            Field::SocketMark | Field::FibReversePath => Number::unknown(32),
            Field::FibSource => self.route_type(state.flow.source, None),
            Field::FibDestination => self.route_type(state.flow.destination, None),
            Field::FibSourceInput => self.route_type(state.flow.source, Some(state.input)),
            Field::FibDestinationInput => self.route_type(state.flow.destination, Some(state.input)),
            Field::FibSourceOutput => self.route_type(state.flow.source, Some(state.output)),
            Field::FibDestinationOutput => self.route_type(state.flow.destination, Some(state.output)),
            Field::CtState
            | Field::CtStatus
            | Field::CtMark
            | Field::CtZone
            | Field::CtDirection
            | Field::CtL4Proto
            | Field::CtOriginalSource
            | Field::CtOriginalDestination
            | Field::CtOriginalSourcePort
            | Field::CtOriginalDestinationPort
            | Field::CtReplySource
            | Field::CtReplyDestination
            | Field::CtReplySourcePort
            | Field::CtReplyDestinationPort => tracked(state, field),
        }
    }

    fn name(&self, device: Device) -> Number {
        match device {
            Device::Absent => Number::known(0_u8),
            Device::Known(index) => {
                let link = self.network.link(index);
                link.and_then(|link| packed(link.name.as_bytes()))
                    .map_or(Number::unknown(128), Number::known)
            }
            Device::Other | Device::Unknown => Number::unknown(128),
        }
    }

    fn packet_type(&self, state: &State) -> Number {
        match state.flow.destination {
            Site::Known(address) if !address.is_multicast() && !self.is_broadcast(address) => Number::known(0_u8),
            Site::Own => Number::known(0_u8),
            Site::Known(_) | Site::Unknown => Number::unknown(3),
        }
    }

    /// `RTN_*` of an address; with a device, a local address of another device is an ordinary one.
    fn route_type(&self, site: Site, device: Option<Device>) -> Number {
        let address = match site {
            Site::Known(address) => address,
            Site::Own if device.is_none() => return Number::known(LOCAL),
            Site::Own => return Number::OneOf(&[UNICAST, LOCAL]),
            Site::Unknown => return Number::unknown(8),
        };
        if address.is_multicast() {
            return Number::known(MULTICAST);
        }
        if self.is_broadcast(address) {
            return Number::known(BROADCAST);
        }
        match (self.is_local(address), device) {
            (Some(true), None) => Number::known(LOCAL),
            (Some(true), Some(Device::Known(index))) => {
                let there = self.on_link(address, index);
                Number::known(if there { LOCAL } else { UNICAST })
            }
            (None, _) | (Some(true), Some(_)) => Number::OneOf(&[UNICAST, LOCAL]),
            // IPv6 asks the routes, which are not read: there may be none.
            (Some(false), _) if address.is_ipv6() => Number::OneOf(&[UNICAST, ANYCAST, UNREACHABLE]),
            (Some(false), _) => Number::known(UNICAST),
        }
    }

    fn on_link(&self, address: IpAddr, index: u32) -> bool {
        let is_loopback = self.network.link(index).is_some_and(|link| link.loopback);
        let mut own = self.network.addresses.iter();
        own.any(|own| own.address == address && own.link == index) || (address.is_loopback() && is_loopback)
    }

    /// Whether the address is of this namespace; `None`: its addresses are not known.
    pub(super) fn is_local(&self, address: IpAddr) -> Option<bool> {
        if self.network.is_local(address) {
            Some(true)
        } else if self.network.addresses.is_empty() && self.network.links.is_empty() {
            None
        } else {
            Some(false)
        }
    }

    pub(super) fn is_broadcast(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else {
            return false;
        };
        let bits = u32::from(address);
        let on_subnet = |own: &crate::model::rules::Address| match own.address {
            IpAddr::V4(base) if own.prefix < 31 => {
                let host = u32::MAX.checked_shr(u32::from(own.prefix)).unwrap_or(0);
                bits & !host == u32::from(base) & !host && bits & host == host
            }
            IpAddr::V4(_) | IpAddr::V6(_) => false,
        };
        !address.is_loopback() && (bits == u32::MAX || bits == 0 || self.network.addresses.iter().any(on_subnet))
    }
}

/// What a rule sees of the conntrack entry.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other fields are not conntrack's")]
fn tracked(state: &State, field: Field) -> Number {
    let entry = match &state.track {
        Track::Entry(entry) => entry,
        Track::None if field == Field::CtState => return Number::known(INVALID),
        Track::Untracked if field == Field::CtState => return Number::known(UNTRACKED),
        // Of anything else xt reads the template itself, which keeps a mark from packet to packet, and nft sees nothing
        // (on 6.18: a rule that asks for the zone just set does not fit), or the template in older kernels.
        Track::Template(_) if field == Field::CtState => return Number::known(Entry::NEW),
        Track::Template(_) => return Number::unknown(128),
        Track::None | Track::Untracked => return Number::Absent,
    };
    let (original, leaving): (&Flow, &Flow) = (&entry.original, &entry.leaving);
    let bits = if state.is_ipv6() { 128 } else { 32 };
    match field {
        Field::CtState => Number::known(entry.state),
        Field::CtStatus => entry.status.number(),
        Field::CtMark => state.connmark.number(),
        Field::CtZone => Number::of(entry.zone, 16),
        Field::CtDirection => entry
            .reply
            .map_or(Number::unknown(1), |reply| Number::known(u8::from(reply))),
        Field::CtL4Proto if entry.state == Entry::RELATED => Number::unknown(8),
        Field::CtL4Proto => Number::known(state.packet.protocol),
        Field::CtOriginalSource => address(original.source, bits),
        Field::CtOriginalDestination => address(original.destination, bits),
        Field::CtOriginalSourcePort => Number::of(original.source_port, 16),
        Field::CtOriginalDestinationPort => Number::of(original.destination_port, 16),
        Field::CtReplySource => address(leaving.destination, bits),
        Field::CtReplyDestination => address(leaving.source, bits),
        Field::CtReplySourcePort => Number::of(leaving.destination_port, 16),
        Field::CtReplyDestinationPort => Number::of(leaving.source_port, 16),
        _ => Number::Absent,
    }
}

/// How the packet looks to conntrack; more than one way where that is not known.
pub(super) fn entries(state: &State) -> Vec<(Track, Mark)> {
    let entry = |entry: Entry, mark: Mark| (Track::Entry(entry), mark);
    let zone = match state.track {
        Track::Template(zone) => zone,
        Track::None | Track::Untracked | Track::Entry(_) => Fact::Known(0),
    };
    let fresh = Entry::fresh(state.flow, zone);
    let vague = entry(Entry::vague(Entry::ESTABLISHED), Mark::UNKNOWN);
    match state.tracking {
        Tracking::New if is_neighbour_discovery(state) => vec![(Track::Untracked, Mark::ZERO)],
        Tracking::New => vec![entry(fresh, Mark::ZERO)],
        Tracking::Entry {
            entry: known,
            direction,
            established,
        } => vec![entry(
            Entry::of(&known, direction, established),
            Mark::exactly(known.mark),
        )],
        Tracking::Established => vec![vague],
        Tracking::Related => vec![entry(Entry::vague(Entry::RELATED), Mark::UNKNOWN)],
        Tracking::Invalid => vec![(Track::None, Mark::ZERO)],
        Tracking::Untracked => vec![(Track::Untracked, Mark::ZERO)],
        Tracking::Unknown => vec![
            entry(fresh, Mark::ZERO),
            vague,
            entry(Entry::vague(Entry::RELATED), Mark::UNKNOWN),
            (Track::None, Mark::ZERO),
            (Track::Untracked, Mark::ZERO),
        ],
    }
}

/// Conntrack leaves IPv6's neighbour and listener messages alone.
fn is_neighbour_discovery(state: &State) -> bool {
    let kind = state.packet.icmp.known();
    state.packet.protocol == 58 && kind.is_some_and(|(kind, _)| matches!(kind, 130..=136 | 143))
}

fn address(site: Site, bits: u32) -> Number {
    match site {
        Site::Known(address) => Value::from(address)
            .number()
            .map_or(Number::unknown(bits), Number::known),
        Site::Own | Site::Unknown => Number::unknown(bits),
    }
}

fn icmp(fact: Fact<(u8, u8)>, part: impl Fn((u8, u8)) -> u8) -> Number {
    match fact {
        Fact::Known(both) => Number::known(part(both)),
        Fact::Absent => Number::Absent,
        Fact::Unknown => Number::unknown(8),
    }
}

fn index(device: Device) -> Number {
    match device {
        Device::Known(index) => Number::known(index),
        Device::Absent => Number::known(0_u8),
        Device::Other | Device::Unknown => Number::unknown(32),
    }
}

/// A name as a number: its bytes from the most significant on. `None`: longer than a device's name can be.
pub(super) fn packed(name: &[u8]) -> Option<u128> {
    let mut bytes = [0; 16];
    bytes.get_mut(..name.len())?.copy_from_slice(name);
    Some(u128::from_be_bytes(bytes))
}

const UNICAST: u128 = 1;
const LOCAL: u128 = 2;
const BROADCAST: u128 = 3;
const ANYCAST: u128 = 4;
const MULTICAST: u128 = 5;
const UNREACHABLE: u128 = 7;
/// Bits of `ct state`.
const INVALID: u8 = 1;
const UNTRACKED: u8 = 64;
