//! What a record is about, and the flags it carries.

/// A socket left CLOSE for SYN_SENT. Sent only with `Config::export_all`.
pub const CONNECT: u8 = 1;
/// A socket went from SYN_SENT to ESTABLISHED. Sent with `Config::export_all`, or when the connection drew suspicion.
pub const ESTABLISHED: u8 = 2;
/// A socket went from SYN_SENT to CLOSE: refused, unreachable, timed out or given up. Always sent.
pub const FAILED: u8 = 3;
/// A socket that had been established reached CLOSE. Sent with `Config::export_all`, or on suspicion.
pub const CLOSED: u8 = 4;
/// A retransmit driven by the retransmission timer. Always sent.
pub const RETRANSMIT: u8 = 5;
/// TCP is about to send a RST. Always sent; a [`crate::event::PacketEvent`].
pub const RST_SENT: u8 = 6;
/// A socket received a RST. Always sent.
pub const RST_RECEIVED: u8 = 7;
/// A packet was dropped for a listed reason. Always sent, rate-limited; a [`crate::event::PacketEvent`].
pub const DROP: u8 = 8;
/// A conntrack entry was confirmed; a [`crate::event::ConntrackEvent`], as are the next two.
pub const CONNTRACK_NEW: u8 = 9;
/// The TCP state of a conntrack entry changed.
pub const CONNTRACK_UPDATE: u8 = 10;
/// A conntrack entry was taken out of the table.
pub const CONNTRACK_DESTROY: u8 = 11;
/// Somebody destroyed a TCP connection's socket (`tcp_abort`). Always sent; a [`crate::event::DestroyedEvent`].
pub const DESTROYED: u8 = 12;

/// Rows of the `LOST` map: one past the last kind.
pub const KINDS: usize = 13;

/// [`crate::event::Header::flags`]: the kernel's connection table knew the socket, so the owner is filled in.
pub const FLAG_OWNED: u8 = 1;
/// [`crate::event::Header::flags`]: the RST came from a socket of its own accord (`tcp_send_active_reset`, no packet).
pub const FLAG_ACTIVE: u8 = 2;
/// [`crate::event::Header::flags`]: [`crate::event::PacketEvent::packet`] could be read from the packet.
pub const FLAG_PACKET: u8 = 4;
/// [`crate::event::Header::flags`]: [`crate::event::PacketEvent::conntrack`] is filled in.
pub const FLAG_CONNTRACK: u8 = 8;
/// [`crate::event::Header::flags`]: `Packet::reason` is meaningful (the tracepoint had the argument).
pub const FLAG_REASON: u8 = 16;
/// [`crate::event::Header::flags`]: a netfilter rule made the RST, not TCP.
pub const FLAG_RULE: u8 = 32;

/// [`crate::event::Connection::flags`]: an event about this connection was already sent; send its later ones too.
pub const CONNECTION_SUSPECT: u32 = 1;
/// [`crate::event::Connection::flags`]: the connection reached ESTABLISHED.
pub const CONNECTION_ESTABLISHED: u32 = 2;
/// [`crate::event::Connection::flags`]: the owner fields are filled in (the connect was seen).
pub const CONNECTION_OWNED: u32 = 4;
/// [`crate::event::Connection::flags`]: the end of the connection was already sent.
pub const CONNECTION_ENDED: u32 = 8;
