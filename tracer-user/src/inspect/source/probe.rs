//! The questions to the kernel about the namespace that the thread is in.
//!
//! Which namespace that is, and who holds the sockets, is not known here.

use super::netlink::{Netlink, NetlinkError};
use super::zones::{self, Zones};
use crate::inspect::nla::NlaError;
use crate::inspect::socket::{Family, Socket};
use crate::inspect::{address, attached, conntrack, link, neighbour, socket};
use crate::model::aspect::{Attached, ConntrackStatistics, Filter, NeighbourState};
use crate::model::conntrack::Conntrack;
use crate::model::tuple::{Endpoint, Tuple};
use rustix::io::Errno;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::os::fd::RawFd;
use std::time::Instant;
use thiserror::Error;

#[derive(Debug, Error)]
#[error("{what}: {error}")]
pub(crate) struct ProbeError {
    pub(crate) what: &'static str,
    #[source]
    pub(crate) error: NetlinkError,
}

/// Netlink sockets of one namespace, opened when they are needed.
#[derive(Debug)]
pub(crate) struct Probe {
    deadline: Instant,
    conntrack: Option<Netlink>,
    sockets: Option<Netlink>,
    routes: Option<Netlink>,
}

impl Probe {
    pub(crate) fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            conntrack: None,
            sockets: None,
            routes: None,
        }
    }

    /// The entry of a tuple in either direction, in any zone.
    pub(crate) fn conntrack(&mut self, tuple: Tuple, zones: &mut Zones) -> Result<Option<Conntrack>, ProbeError> {
        let failed = |error| ProbeError {
            what: "conntrack",
            error,
        };
        let netlink = self.entries().map_err(failed)?;
        zones.entry(netlink, tuple).map_err(failed)
    }

    /// The socket of exactly this tuple; no listener.
    pub(crate) fn socket(&mut self, tuple: Tuple) -> Result<Option<Socket>, ProbeError> {
        // An IPv4 tuple may be of an IPv6 socket.
        let families: &[Family] = if tuple.source.address.is_ipv4() {
            &Family::BOTH
        } else {
            &[Family::V6]
        };
        for &family in families {
            let found = self.sockets(|sequence| socket::get(sequence, tuple, family), SOCKETS_MAX)?;
            if let Some(socket) = found
                .into_iter()
                .find(|found| found.tuple == tuple && !found.is_listening())
            {
                return Ok(Some(socket));
            }
        }
        Ok(None)
    }

    /// All listening sockets, or those of one port.
    pub(crate) fn listeners(&mut self, port: Option<u16>) -> Result<Vec<Socket>, ProbeError> {
        self.both_families(|sequence, family| socket::listeners(sequence, family, port))
    }

    /// All UDP sockets that take datagrams of anybody; `None`: this kernel does not tell.
    pub(crate) fn receivers(&mut self) -> Result<Option<Vec<Socket>>, ProbeError> {
        let request = |family| move |sequence| socket::receivers(sequence, family);
        let Some(mut all) = self.told(request(Family::V4), SOCKETS_MAX, |_| true)? else {
            return Ok(None);
        };
        let room = SOCKETS_MAX.saturating_sub(all.len());
        all.extend(self.told(request(Family::V6), room, |_| true)?.unwrap_or_default());
        Ok(Some(all))
    }

    /// Connections with this local port that are or could be accepted.
    pub(crate) fn acceptable(&mut self, port: u16) -> Result<Vec<Socket>, ProbeError> {
        self.both_families(|sequence, family| socket::acceptable(sequence, family, port))
    }

    /// All connections with this local port, whatever their state.
    pub(super) fn connected(&mut self, port: u16) -> Result<Vec<Socket>, ProbeError> {
        self.both_families(|sequence, family| socket::connected(sequence, family, port))
    }

    /// Connections to an endpoint that are or may become established.
    pub(super) fn towards(&mut self, endpoint: Endpoint) -> Result<Vec<Socket>, ProbeError> {
        let mut all = self.both_families(|sequence, family| socket::towards(sequence, family, endpoint.port))?;
        all.retain(|socket| socket.tuple.destination == endpoint);
        Ok(all)
    }

    /// Sockets of any state that are connected to this port somewhere.
    pub(super) fn connected_to(&mut self, port: u16) -> Result<Vec<Socket>, ProbeError> {
        self.both_families(|sequence, family| socket::connected_to(sequence, family, port))
    }

    /// Connections that look as if they hung. What is asked of all of them costs little; more is asked of those few.
    pub(super) fn stalled(&mut self, family: Family) -> Result<Vec<Socket>, ProbeError> {
        self.chosen(
            |sequence| socket::connections(sequence, family),
            SOCKETS_MAX,
            Socket::is_stalled,
        )
    }

    /// The same socket with its `struct tcp_info`; `None`: it is gone.
    pub(super) fn again(&mut self, known: &Socket, family: Family) -> Result<Option<Socket>, ProbeError> {
        let found = self.sockets(|sequence| socket::again(sequence, known, family), 1)?;
        Ok(found.into_iter().find(|found| found.cookie == known.cookie))
    }

    /// Whether packets to the endpoint stay in this namespace.
    pub(crate) fn is_local(&mut self, endpoint: Endpoint) -> Result<bool, ProbeError> {
        if endpoint.address.is_loopback() {
            return Ok(true);
        }
        let mut local = false;
        let answer = self.routes()?.ask(
            |sequence| address::get(sequence, endpoint.address),
            |payload| {
                local = address::parse(payload)?;
                Ok::<_, address::ShortRoute>(ControlFlow::Continue(()))
            },
        );
        match answer {
            Ok(()) => Ok(local),
            // No route: not here.
            Err(NetlinkError::Refused(_)) => Ok(false),
            Err(error) => Err(ProbeError { what: "routes", error }),
        }
    }

    /// The device that packets to the address leave by; `None`: there is no route.
    pub(crate) fn route(&mut self, address: IpAddr) -> Result<Option<u32>, ProbeError> {
        let mut device = None;
        let answer = self.routes()?.ask(
            |sequence| address::get(sequence, address),
            |payload| {
                device = address::device(payload)?;
                Ok::<_, NlaError>(ControlFlow::Continue(()))
            },
        );
        match answer {
            Ok(()) => Ok(device),
            Err(NetlinkError::Refused(_)) => Ok(None),
            Err(error) => Err(ProbeError { what: "routes", error }),
        }
    }

    /// Where the other end of a device is.
    pub(crate) fn peer(&mut self, ifindex: u32) -> Result<link::Peer, ProbeError> {
        let mut peer = link::Peer::None;
        let answer = self.routes()?.ask(
            |sequence| link::get(sequence, ifindex),
            |payload| {
                peer = link::parse(payload)?;
                Ok::<_, link::LinkError>(ControlFlow::Continue(()))
            },
        );
        match answer {
            Ok(()) | Err(NetlinkError::Refused(Errno::NODEV)) => Ok(peer),
            Err(error) => Err(ProbeError { what: "device", error }),
        }
    }

    /// What this namespace calls the one behind a descriptor; `None`: it has no name for it.
    pub(crate) fn id_of(&mut self, descriptor: RawFd) -> Result<Option<i32>, ProbeError> {
        let mut id = None;
        self.routes()?
            .ask(
                |sequence| link::get_id(sequence, descriptor),
                |payload| {
                    id = link::parse_id(payload)?;
                    Ok::<_, link::LinkError>(ControlFlow::Continue(()))
                },
            )
            .map_err(|error| ProbeError {
                what: "namespace id",
                error,
            })?;
        Ok(id)
    }

    /// Has this namespace give the one behind a descriptor an id.
    pub(crate) fn give_id(&mut self, descriptor: RawFd) -> Result<(), ProbeError> {
        let answer = self.routes()?.ask(
            |sequence| link::give_id(sequence, descriptor),
            |_| Ok::<_, link::LinkError>(ControlFlow::Continue(())),
        );
        match answer {
            // Somebody was faster.
            Ok(()) | Err(NetlinkError::Refused(Errno::EXIST)) => Ok(()),
            Err(error) => Err(ProbeError {
                what: "a namespace id",
                error,
            }),
        }
    }

    /// How many conntrack entries there are.
    pub(crate) fn conntrack_count(&mut self) -> Result<u32, ProbeError> {
        self.entries().and_then(zones::count).map_err(|error| ProbeError {
            what: "conntrack count",
            error,
        })
    }

    /// What conntrack counted for the namespace.
    pub(crate) fn conntrack_statistics(&mut self) -> Result<ConntrackStatistics, ProbeError> {
        let mut sum = ConntrackStatistics::default();
        let answer = self.entries().and_then(|netlink| {
            netlink.ask(conntrack::statistics, |payload| {
                conntrack::add_statistics(&mut sum, payload)?;
                Ok::<_, NlaError>(ControlFlow::Continue(()))
            })
        });
        answer.map(|()| sum).map_err(|error| ProbeError {
            what: "conntrack statistics",
            error,
        })
    }

    /// How a host on a link answers; `None`: it is not on one, or nobody asked for it.
    pub(crate) fn neighbour(&mut self, address: IpAddr) -> Result<Option<NeighbourState>, ProbeError> {
        let Some(device) = self.route(address)? else {
            return Ok(None);
        };
        let mut state = None;
        let answer = self.routes()?.ask(
            |sequence| neighbour::get(sequence, address, device),
            |payload| {
                state = neighbour::parse(payload)?;
                Ok::<_, neighbour::ShortNeighbour>(ControlFlow::Continue(()))
            },
        );
        match answer {
            Ok(()) => Ok(state),
            Err(NetlinkError::Refused(_)) => Ok(None),
            Err(error) => Err(ProbeError {
                what: "neighbour",
                error,
            }),
        }
    }

    /// The filters of a device's clsact or ingress queueing discipline.
    pub(crate) fn filters(&mut self, ifindex: u32) -> Result<Vec<Filter>, ProbeError> {
        let mut all = Vec::new();
        for egress in [false, true] {
            let answer = self.routes()?.ask(
                |sequence| attached::filters(sequence, ifindex, egress),
                |payload| {
                    if all.len() < Attached::FILTERS {
                        all.extend(attached::filter(payload, egress)?);
                    }
                    Ok::<_, attached::AttachedError>(ControlFlow::Continue(()))
                },
            );
            match answer {
                // No such queueing discipline.
                Ok(()) | Err(NetlinkError::Refused(_)) => {}
                Err(error) => return Err(ProbeError { what: "filters", error }),
            }
        }
        Ok(all)
    }

    /// The id of a device's XDP program; 0: it has none.
    pub(crate) fn xdp(&mut self, ifindex: u32) -> Result<u32, ProbeError> {
        let mut id = 0;
        let answer = self.routes()?.ask(
            |sequence| link::get(sequence, ifindex),
            |payload| {
                id = attached::xdp(payload)?;
                Ok::<_, attached::AttachedError>(ControlFlow::Continue(()))
            },
        );
        answer
            .map(|()| id)
            .map_err(|error| ProbeError { what: "device", error })
    }

    /// The namespace's TCP entries, until `each` has enough.
    pub(crate) fn conntrack_dump(
        &mut self,
        mut each: impl FnMut(Conntrack) -> ControlFlow<()>,
    ) -> Result<(), ProbeError> {
        let answer = self.entries().and_then(|netlink| {
            netlink.ask(conntrack::dump_all, |payload| {
                Ok::<_, conntrack::ConntrackError>(
                    conntrack::parse(payload)?.map_or(ControlFlow::Continue(()), &mut each),
                )
            })
        });
        answer.map_err(|error| ProbeError {
            what: "conntrack dump",
            error,
        })
    }

    fn entries(&mut self) -> Result<&mut Netlink, NetlinkError> {
        opened(&mut self.conntrack, libc::NETLINK_NETFILTER, self.deadline)
    }

    fn routes(&mut self) -> Result<&mut Netlink, ProbeError> {
        opened(&mut self.routes, libc::NETLINK_ROUTE, self.deadline).map_err(|error| ProbeError {
            what: "rtnetlink",
            error,
        })
    }

    fn both_families(&mut self, request: impl Fn(u32, Family) -> Vec<u8>) -> Result<Vec<Socket>, ProbeError> {
        let mut all = Vec::new();
        for family in Family::BOTH {
            let room = SOCKETS_MAX.saturating_sub(all.len());
            all.extend(self.sockets(|sequence| request(sequence, family), room)?);
        }
        Ok(all)
    }

    fn sockets(&mut self, request: impl FnOnce(u32) -> Vec<u8>, max: usize) -> Result<Vec<Socket>, ProbeError> {
        self.chosen(request, max, |_| true)
    }

    fn chosen(
        &mut self,
        request: impl FnOnce(u32) -> Vec<u8>,
        max: usize,
        wanted: impl Fn(&Socket) -> bool,
    ) -> Result<Vec<Socket>, ProbeError> {
        Ok(self.told(request, max, wanted)?.unwrap_or_default())
    }

    /// `None`: the kernel has no such sockets, or cannot tell of them.
    fn told(
        &mut self,
        request: impl FnOnce(u32) -> Vec<u8>,
        max: usize,
        wanted: impl Fn(&Socket) -> bool,
    ) -> Result<Option<Vec<Socket>>, ProbeError> {
        let failed = |error| ProbeError { what: "sockets", error };
        let netlink = opened(&mut self.sockets, libc::NETLINK_SOCK_DIAG, self.deadline).map_err(failed)?;
        let mut all = Vec::new();
        let answer = netlink.ask(request, |payload| {
            if all.len() >= max {
                tracing::warn!(max, "more sockets than are looked at");
                return Ok(ControlFlow::Break(()));
            }
            all.extend(Some(socket::parse(payload)?).filter(&wanted));
            Ok::<_, socket::SocketError>(ControlFlow::Continue(()))
        });
        match answer {
            // Also what a kernel without IPv6 says; and of one socket, that another has its addresses by now.
            Err(NetlinkError::Refused(Errno::NOENT | Errno::STALE)) if all.is_empty() => Ok(None),
            Ok(()) | Err(NetlinkError::Refused(Errno::NOENT | Errno::STALE)) => Ok(Some(all)),
            Err(error) => Err(failed(error)),
        }
    }
}

fn opened(slot: &mut Option<Netlink>, protocol: i32, deadline: Instant) -> Result<&mut Netlink, NetlinkError> {
    let netlink = match slot.take() {
        Some(netlink) => netlink,
        None => Netlink::open(isize::try_from(protocol).unwrap_or_default(), deadline)?,
    };
    Ok(slot.insert(netlink))
}

/// Sockets taken from one dump.
const SOCKETS_MAX: usize = 65_536;
