//! TCP states, of sockets and of conntrack.

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($variant,)* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The state of the kernel's number; `None` for a number it has no name for.
            pub fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// The name as `ss` or `conntrack` print it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The state of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

states! {
    /// State of a socket (`include/net/tcp_states.h`, the same numbers in every kernel).
    TcpState {
        Established = 1, "ESTABLISHED";
        SynSent = 2, "SYN_SENT";
        SynRecv = 3, "SYN_RECV";
        FinWait1 = 4, "FIN_WAIT1";
        FinWait2 = 5, "FIN_WAIT2";
        TimeWait = 6, "TIME_WAIT";
        Close = 7, "CLOSE";
        CloseWait = 8, "CLOSE_WAIT";
        LastAck = 9, "LAST_ACK";
        Listen = 10, "LISTEN";
        Closing = 11, "CLOSING";
        NewSynRecv = 12, "NEW_SYN_RECV";
    }
}

states! {
    /// State of a conntrack entry (`enum tcp_conntrack`, `uapi/linux/netfilter/nf_conntrack_tcp.h`).
    ConntrackState {
        None = 0, "NONE";
        SynSent = 1, "SYN_SENT";
        SynRecv = 2, "SYN_RECV";
        Established = 3, "ESTABLISHED";
        FinWait = 4, "FIN_WAIT";
        CloseWait = 5, "CLOSE_WAIT";
        LastAck = 6, "LAST_ACK";
        TimeWait = 7, "TIME_WAIT";
        Close = 8, "CLOSE";
        SynSent2 = 9, "SYN_SENT2";
    }
}

/// Byte 13 of a TCP header: the FIN bit.
pub const FIN: u8 = 0x01;
/// Byte 13 of a TCP header: the SYN bit.
pub const SYN: u8 = 0x02;
/// Byte 13 of a TCP header: the RST bit.
pub const RST: u8 = 0x04;
/// Byte 13 of a TCP header: the ACK bit.
pub const ACK: u8 = 0x10;
