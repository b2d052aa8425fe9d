//! Commands that run in a network namespace, complete and quoted.

use crate::model::conntrack::Conntrack;
use crate::model::finding::{Finding, State};
use crate::model::identity::Netns;
use crate::model::reason::DropReason;
use crate::model::tuple::{Endpoint, Tuple};
use crate::sink::text::quote;
use crate::sink::words::phrase;
use std::net::IpAddr;

/// The name of a namespace, as `ip netns` lists it, of the path to enter it.
pub fn netns_name(enter: &str) -> Option<&str> {
    ["/run/netns/", "/var/run/netns/"]
        .iter()
        .find_map(|folder| enter.strip_prefix(folder))
        .filter(|name| (1..=NAME_MAX).contains(&name.len()) && !name.contains('/'))
}

/// `command`, run in `netns`: by its path, by a process of it, or by its inode, whichever is known first.
pub(super) fn within(finding: &Finding, netns: Netns, command: &str) -> String {
    if let Some(path) = phrase::enter(finding, netns) {
        return format!("nsenter --net={} {command}", quote(path));
    }
    if let Some(pid) = member(finding, netns) {
        return format!("nsenter --net=/proc/{pid}/ns/net {command}");
    }
    match netns.inode {
        0 => command.to_owned(),
        inode => format!("nsenter --net=/proc/$(lsns -rnoPID {inode} | head -n1)/ns/net {command}"),
    }
}

/// Where a command runs, for `netns` of a fix: the path, else the inode.
pub(super) fn place(finding: &Finding, netns: Netns) -> Option<String> {
    let path = phrase::enter(finding, netns).map(ToOwned::to_owned);
    path.or_else(|| (netns.inode != 0).then(|| netns.inode.to_string()))
}

/// Prints the rules. Not `iptables-save -t nat`: naming a table creates it where it is not.
pub(super) fn rules(location: Option<&str>, family: Family) -> String {
    let legacy = match family {
        Family::V4 => "iptables-legacy-save",
        Family::V6 => "ip6tables-legacy-save",
    };
    match location {
        // Only nf_tables drops there, iptables-nft included.
        Some("nft_do_chain") => "nft list ruleset".to_owned(),
        _ => format!("sh -c '{legacy}; nft list ruleset'"),
    }
}

/// Shows what drops packets without a netfilter rule.
pub(super) fn attached(reason: DropReason) -> &'static str {
    match reason {
        DropReason::TcIngress | DropReason::TcEgress | DropReason::Xdp => "bpftool net show",
        DropReason::BpfCgroupEgress => "bpftool cgroup tree",
        DropReason::IpLocalnet | DropReason::IpRpfilter => "sysctl -a --pattern 'route_localnet|rp_filter'",
        DropReason::IpOutNoRoutes => "ip route show table all",
        DropReason::NeighFailed => "ip neighbour show",
        DropReason::Netfilter | DropReason::SecurityHook => "dmesg",
        DropReason::TcpListenOverflow | DropReason::SocketBacklog => {
            "nstat -az TcpExtListenOverflows TcpExtTCPBacklogDrop"
        }
    }
}

/// Deletes one conntrack entry.
pub(super) fn delete(entry: &Conntrack) -> String {
    on_entry("-D", entry)
}

/// Prints one conntrack entry.
pub(super) fn show(entry: &Conntrack) -> String {
    on_entry("-L", entry)
}

/// Ends one socket: its process gets ECONNABORTED.
pub(super) fn end_socket(tuple: Tuple) -> String {
    format!("ss -K {}", ends(tuple))
}

/// Shows one socket, with its process, timers and counters.
pub(super) fn socket(tuple: Tuple) -> String {
    format!("ss -Htanopi {}", ends(tuple))
}

fn ends(tuple: Tuple) -> String {
    let of = |end: Endpoint| quote(&end.to_string());
    format!("src {} dst {}", of(tuple.source), of(tuple.destination))
}

fn on_entry(action: &str, entry: &Conntrack) -> String {
    let Tuple { source, destination } = entry.original;
    format!(
        "conntrack {action} -f {} -p tcp --orig-src {} --orig-dst {} --sport {} --dport {}{}",
        family(entry),
        source.address,
        destination.address,
        source.port,
        destination.port,
        zone(entry)
    )
}

/// Deletes the conntrack entries of all connections there that carry the entry's mark.
pub(super) fn delete_marked(entry: &Conntrack, towards: Towards) -> String {
    format!("conntrack -D {}", marked(entry, towards))
}

/// Lists them.
pub(super) fn list_marked(entry: &Conntrack, towards: Towards) -> String {
    format!("conntrack -L {}", marked(entry, towards))
}

/// Where connections go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Towards {
    Endpoint(Endpoint),
    Port(u16),
    Anywhere,
}

fn marked(entry: &Conntrack, towards: Towards) -> String {
    let towards = match towards {
        Towards::Endpoint(Endpoint { address, port }) => format!(" --orig-dst {address} --dport {port}"),
        Towards::Port(port) => format!(" --dport {port}"),
        Towards::Anywhere => String::new(),
    };
    format!(
        "-f {} -p tcp{towards} -m {:#x}{}",
        family(entry),
        entry.mark,
        zone(entry)
    )
}

fn family(entry: &Conntrack) -> &'static str {
    match Family::of(entry.original) {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

fn zone(entry: &Conntrack) -> String {
    match entry.zone {
        0 => String::new(),
        zone => format!(" --zone {zone}"),
    }
}

/// Shows who listens on a port, with its queue.
pub(super) fn listeners(port: u16) -> String {
    format!("ss -Hltnp 'sport = :{port}'")
}

/// Shows what a process is doing: its state and where in the kernel it sleeps.
pub(super) fn process(pid: u32) -> String {
    format!("ps -L -o pid,tid,stat,wchan:24,comm -p {pid}")
}

/// Shows the packets between two addresses.
pub(super) fn capture(tuple: Tuple) -> String {
    let Tuple { source: _, destination } = tuple;
    format!(
        "tcpdump -nni any 'tcp and host {} and port {}'",
        destination.address, destination.port
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn of(tuple: Tuple) -> Self {
        match tuple.destination.address.to_canonical() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// A process of the namespace that can be expected to live: its connection is still open.
fn member(finding: &Finding, netns: Netns) -> Option<u32> {
    let connection = finding.connection.as_ref()?;
    let open = matches!(finding.state, State::Open | State::Updated) && connection.ended.is_none();
    let owner = connection.owner.map(|owner| owner.pid);
    let pid = owner.or_else(|| connection.holder.map(|holder| holder.pid));
    pid.filter(|&pid| open && pid != 0 && connection.netns == netns)
}

/// The longest name of a file.
const NAME_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_namespaces_have_a_name() {
        assert_eq!(netns_name("/run/netns/blue"), Some("blue"));
        assert_eq!(netns_name("/var/run/netns/cni-1"), Some("cni-1"));
        assert_eq!(netns_name("/proc/123/ns/net"), None);
        assert_eq!(netns_name("/run/netns/"), None);
    }
}
