//! Full-sized segments are lost on the way.

use super::Words;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::{command, count};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    let mtu = sending(facts).map_or(String::new(), |sending| format!(" of {} bytes", sending.path_mtu));
    format!(
        "{} gets only the small segments of {}: packets{mtu} are lost on the way, and nobody says so",
        facts.peer(),
        facts.who()
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let mut text = Vec::new();
    if let Some(sending) = sending(facts) {
        let heard = match sending.sacked {
            0 => "the peer was heard since, so it is alive".to_owned(),
            sacked => format!(
                "the peer has {} behind them, of what is smaller",
                count(u64::from(sacked), "segment")
            ),
        };
        text.push(format!(
            "Segments of {} bytes are sent again and again without an acknowledgement; {heard}.",
            sending.mss
        ));
    }
    text.push(
        "A link on the path that takes only smaller packets drops them, and its ICMP error (\"fragmentation needed\", for \
         IPv6 \"packet too big\") does not arrive: the kernel goes on to send them whole. That is inferred: the drop \
         itself is not seen from here."
            .to_owned(),
    );
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let probing = "Let the kernel try smaller segments where full-sized ones are lost: what hangs goes on with its next \
                   retransmissions. It is a setting of the whole namespace.";
    let command = "sysctl -w net.ipv4.tcp_mtu_probing=1";
    vec![
        Fix::command(facts.0, facts.1.netns, command, probing),
        Fix::setting(
            "Let the ICMP errors pass on every router and firewall of the path, or set the MTU of this host's device or \
             route to what the path takes; a router can clamp the MSS of new connections (TCPMSS --clamp-mss-to-pmtu).",
        ),
    ]
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let tuple = facts.1.tuple;
    let why = "Look at the segments' size (mss, pmtu), at what is sacked, and at the retransmissions.";
    let socket = Check::new(facts.0, facts.1.netns, &command::socket(tuple), why);
    let why = "See that full-sized packets leave, and that no ICMP error comes back.";
    let packets = Check::new(facts.0, facts.1.netns, &command::capture(tuple), why);
    vec![socket, packets]
}

fn sending(facts: Facts<'_>) -> Option<crate::model::inquiry::Sending> {
    facts.socket()?.sending
}
