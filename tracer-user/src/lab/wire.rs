//! What the lab and its child processes say to each other: one JSON object a line, on the child's stdin and stdout.
//!
//! Every command gets exactly one answer, in order; a command that hangs simply has none yet.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Command {
    /// Runs a program in the host's namespace.
    Run {
        program: String,
        arguments: Vec<String>,
        input: String,
    },
    /// Fails unless the host's TCP has sent a segment again.
    HasRetransmitted,
    /// Writes a setting under /proc/sys.
    Set {
        path: String,
        value: String,
    },
    /// Starts a server that goes on in the background.
    Serve(Server),
    /// Starts a transparent proxy with pooled upstream connections.
    Proxy(Proxy),
    /// Starts a transparent proxy that dials for each connection it accepts, for so many and no more.
    Relay {
        listen: SocketAddr,
        connections: usize,
    },
    /// Opens the connection of a slot.
    Connect {
        slot: u8,
        to: SocketAddr,
        from_port: Option<u16>,
        give_up_ms: Option<u64>,
    },
    Send {
        slot: u8,
        line: String,
    },
    /// Waits for a line; an empty one is the end of the stream.
    Receive {
        slot: u8,
    },
    /// Waits until there is something to read, and leaves it unread.
    AwaitUnread {
        slot: u8,
    },
    /// Writes until the socket takes no more.
    Fill {
        slot: u8,
        bytes: usize,
    },
    /// Sends no more, and goes on reading.
    HalfClose {
        slot: u8,
    },
    Close {
        slot: u8,
    },
    /// Closes with SO_LINGER 0.
    Abort {
        slot: u8,
    },
    /// Starts answering raw frames on a device.
    Phantom {
        device: String,
        manner: Manner,
    },
    /// Makes the phantom reset every connection it has.
    PhantomReset,
    /// Makes the phantom connect, and reset the connection as soon as it is established.
    PhantomProbe {
        hardware: [u8; 6],
        from: SocketAddr,
        to: SocketAddr,
    },
    /// Passes frames from one device to the other and back, in the background; every n-th one with TCP is lost.
    LossyWire {
        devices: [String; 2],
        lose_every: u32,
    },
    /// Makes it answer nothing more to one of its ports.
    PhantomDeaf {
        port: u16,
    },
    /// Makes it send a segment far out of the window on every connection it has.
    PhantomForge,
    /// Listens, and accepts nobody by itself.
    Listen {
        listen: SocketAddr,
    },
    /// Takes the next connection into a slot; a proxy asks for the original destination first, and closes it if there is
    /// none.
    Accept {
        slot: u8,
        proxy: bool,
    },
}

/// Where it connects to: the original destination, unless `routes` has another address for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Proxy {
    pub listen: SocketAddr,
    /// The address that its own connections come from.
    pub source: Option<IpAddr>,
    pub routes: Vec<(SocketAddr, SocketAddr)>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Server {
    pub listen: SocketAddr,
    pub backlog: i32,
    pub accepts: Accepts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Accepts {
    /// Accepts and answers each line with `echo:` and the line.
    Echo,
    /// Begins to accept after so long, and is like [`Echo`](Self::Echo) then.
    EchoLate { ms: u64 },
    /// Like [`Echo`](Self::Echo), with each answer after so long.
    EchoSlowly { ms: u64 },
    /// Accepts and never reads.
    Unread,
    /// Never accepts.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Manner {
    Echo,
    /// Takes every frame and answers none.
    Silent,
    /// Acknowledges, closes its window with the first data, and never opens it again.
    ShutsWindow,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// The first line of every child.
    Hello {
        netns: u32,
    },
    Done,
    Line(String),
    Ran {
        success: bool,
        output: String,
    },
    Failed {
        errno: Option<i32>,
        message: String,
    },
}
