//! Sockets and listeners, as `sock_diag` shows them.

use crate::model::inquiry;
use crate::model::tcp::TcpState;
use crate::sink::jsont::{Endpoint, Process, Spelled};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Socket {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Spelled<TcpState>>,
    pub receive_queue: u32,
    pub send_queue: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unacked: Option<u32>,
    pub retransmits: u8,
    pub uid: u32,
    /// Absent where no process holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending: Option<Sending>,
}

/// How far it came with what it sends, of `struct tcp_info`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sending {
    pub mss: u32,
    pub path_mtu: u32,
    pub in_flight_bytes: u32,
    /// Unacknowledged segments that the peer has, behind a gap.
    pub sacked: u32,
    pub acked_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    pub last_heard_ms: u64,
}

impl From<inquiry::Sending> for Sending {
    fn from(sending: inquiry::Sending) -> Self {
        let inquiry::Sending {
            mss,
            path_mtu,
            in_flight,
            sacked,
            acknowledged,
            window,
            last_heard,
        } = sending;
        Self {
            mss,
            path_mtu,
            in_flight_bytes: in_flight,
            sacked,
            acked_bytes: acknowledged,
            window,
            last_heard_ms: u64::try_from(last_heard.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl From<Sending> for inquiry::Sending {
    fn from(sending: Sending) -> Self {
        Self {
            mss: sending.mss,
            path_mtu: sending.path_mtu,
            in_flight: sending.in_flight_bytes,
            sacked: sending.sacked,
            acknowledged: sending.acked_bytes,
            window: sending.window,
            last_heard: Duration::from_millis(sending.last_heard_ms),
        }
    }
}

impl From<&inquiry::SocketInfo> for Socket {
    fn from(socket: &inquiry::SocketInfo) -> Self {
        let &inquiry::SocketInfo {
            state,
            receive_queue,
            send_queue,
            unacked,
            retransmits,
            uid,
            inode,
            process,
            sending,
        } = socket;
        Self {
            state: state.map(Spelled),
            receive_queue,
            send_queue,
            unacked,
            retransmits,
            uid,
            inode: (inode != 0).then_some(inode),
            process: process.map(Into::into),
            sending: sending.map(Into::into),
        }
    }
}

impl From<Socket> for inquiry::SocketInfo {
    fn from(socket: Socket) -> Self {
        Self {
            state: socket.state.map(|state| state.0),
            receive_queue: socket.receive_queue,
            send_queue: socket.send_queue,
            unacked: socket.unacked,
            retransmits: socket.retransmits,
            uid: socket.uid,
            inode: socket.inode.unwrap_or(0),
            process: socket.process.map(Into::into),
            sending: socket.sending.map(Into::into),
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Listener {
    pub address: IpAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Connections waiting to be accepted.
    pub queue: u32,
    pub backlog: u32,
    pub uid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

impl From<&inquiry::Listener> for Listener {
    fn from(listener: &inquiry::Listener) -> Self {
        let &inquiry::Listener {
            address,
            queue,
            backlog,
            uid,
            inode,
            process,
        } = listener;
        let Endpoint { address, port } = address.into();
        Self {
            address,
            port,
            queue,
            backlog,
            uid,
            inode: (inode != 0).then_some(inode),
            process: process.map(Into::into),
        }
    }
}

impl From<Listener> for inquiry::Listener {
    fn from(listener: Listener) -> Self {
        let Listener { address, port, .. } = listener;
        Self {
            address: Endpoint { address, port }.into(),
            queue: listener.queue,
            backlog: listener.backlog,
            uid: listener.uid,
            inode: listener.inode.unwrap_or(0),
            process: listener.process.map(Into::into),
        }
    }
}
