//! Matches of xtables, one function each.
//!
//! Semantics are the kernel's match functions'; the texts are those of the extensions' own `save` functions.

mod address;
mod chance;
mod conntrack;
mod device;
mod hashlimit;
mod headers;
mod mark;
mod packet;
mod place;
mod program;
mod socket;
mod time;
mod transport;

pub(super) use address::directions;

use super::Decoder;
use crate::model::rules::Family;

pub(super) fn decoder(name: &str, family: Family) -> Option<Decoder> {
    let ipv6 = family == Family::Ip6;
    Some(match name {
        "tcp" => transport::tcp,
        "udp" | "udplite" => transport::udp,
        "sctp" => transport::sctp,
        "dccp" => transport::dccp,
        "icmp" => transport::icmp,
        "icmp6" => transport::icmp6,
        "multiport" => transport::multiport,
        "mark" => mark::mark,
        "connmark" => mark::connmark,
        "owner" => socket::owner,
        "socket" => socket::socket,
        "cgroup" => socket::cgroup,
        "conntrack" => conntrack::conntrack,
        "state" => conntrack::state,
        "helper" => conntrack::helper,
        "connlabel" => conntrack::connlabel,
        "addrtype" => address::addrtype,
        "iprange" => address::iprange,
        "set" => address::set,
        "rpfilter" => address::rpfilter,
        "realm" => address::realm,
        "eui64" => address::eui64,
        "pkttype" => packet::pkttype,
        "length" => packet::length,
        "ttl" => packet::ttl,
        "hl" => packet::hl,
        "dscp" => packet::dscp,
        "tos" => packet::tos,
        "tcpmss" => packet::tcpmss,
        "ecn" => packet::ecn,
        "physdev" => device::physdev,
        "mac" => device::mac,
        "devgroup" => device::devgroup,
        "cpu" => device::cpu,
        "limit" => chance::limit,
        "hashlimit" => hashlimit::hashlimit,
        "recent" => chance::recent,
        "statistic" => chance::statistic,
        "quota" => chance::quota,
        "connlimit" => chance::connlimit,
        "connbytes" => chance::connbytes,
        "cluster" => chance::cluster,
        "rateest" => chance::rateest,
        "nfacct" => chance::nfacct,
        "comment" => program::comment,
        "u32" => program::u32_tests,
        "bpf" => program::bpf,
        "string" => program::string,
        "time" => time::time,
        "policy" => place::policy,
        "ipvs" => place::ipvs,
        "ah" if ipv6 => headers::ah6,
        "ah" => headers::ah,
        "esp" => headers::esp,
        "ipcomp" => headers::ipcomp,
        "frag" => headers::frag,
        "rt" => headers::rt,
        "hbh" => headers::hbh,
        "dst" => headers::dst,
        "ipv6header" => headers::ipv6header,
        "mh" => headers::mh,
        _ => return None,
    })
}
