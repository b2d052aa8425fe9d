//! Targets of xtables that are no plain verdicts, one function each.
//!
//! What changes neither a packet's way nor its addresses nor its marks is harmless.

mod ct;
mod mangle;
mod mark;
mod nat;
mod report;
mod verdict;

use super::Decoder;
use crate::model::rules::Family;

pub(super) fn decoder(name: &str, family: Family) -> Option<Decoder> {
    let ipv6 = family == Family::Ip6;
    Some(match name {
        "ACCEPT" => verdict::accept,
        "DROP" => verdict::drop,
        "RETURN" => verdict::r#return,
        "QUEUE" => verdict::queue,
        "REJECT" if ipv6 => verdict::reject6,
        "REJECT" => verdict::reject,
        "NFQUEUE" => verdict::nfqueue,
        "DNAT" => nat::dnat,
        "SNAT" => nat::snat,
        "REDIRECT" => nat::redirect,
        "MASQUERADE" => nat::masquerade,
        "NETMAP" => nat::netmap,
        "TPROXY" => nat::tproxy,
        "DNPT" | "SNPT" => nat::npt,
        "CT" => ct::ct,
        "NOTRACK" => ct::notrack,
        "MARK" => mark::mark,
        "CONNMARK" => mark::connmark,
        "HMARK" => mark::hmark,
        "LOG" => report::log,
        "NFLOG" => report::nflog,
        "AUDIT" => report::audit,
        "TRACE" => report::trace,
        "LED" => report::led,
        "IDLETIMER" => report::idletimer,
        "RATEEST" => report::rateest,
        "TEE" => report::tee,
        "SET" => report::set,
        "CLASSIFY" => mangle::classify,
        "CHECKSUM" => mangle::checksum,
        "TCPMSS" => mangle::tcpmss,
        "TCPOPTSTRIP" => mangle::tcpoptstrip,
        "TTL" => mangle::ttl,
        "HL" => mangle::hl,
        "DSCP" => mangle::dscp,
        "TOS" => mangle::tos,
        "ECN" => mangle::ecn,
        "SECMARK" => mangle::secmark,
        "CONNSECMARK" => mangle::connsecmark,
        "SYNPROXY" => verdict::synproxy,
        _ => return None,
    })
}
