//! Sockets and listeners, as `sock_diag` shows them.

use crate::model::inquiry;
use crate::model::tcp::TcpState;
use crate::sink::jsont::{Endpoint, Process, Spelled};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

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
