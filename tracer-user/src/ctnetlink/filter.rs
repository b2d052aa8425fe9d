//! The socket's filter: a classic BPF program that lets only changes of TCP entries through.
//!
//! Where a message is not laid out as every kernel so far lays it out, it passes: the decoder looks closer.

use crate::inspect::conntrack::{PROTO_NUM, TCP, TUPLE_PROTO};
use crate::inspect::nla::NESTED;

/// One instruction (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    /// Instructions skipped where the comparison holds.
    pub yes: u8,
    /// And where it does not.
    pub no: u8,
    pub value: u32,
}

/// The first attribute is the original tuple: its addresses, then its protocol. Only the addresses' length differs.
pub const fn tcp_only() -> [Instruction; 17] {
    let (protocol, number) = (native(TUPLE_PROTO | NESTED), native(PROTO_NUM));
    [
        load(BYTE, FAMILY),
        jump(1, libc::AF_INET.cast_unsigned(), 2, 8),
        load(HALF, V4 + KIND),
        jump(3, protocol, 4, PASS),
        load(HALF, V4 + HEADER + KIND),
        jump(5, number, 6, PASS),
        load(BYTE, V4 + HEADER + HEADER),
        jump(7, TCP as u32, PASS, DROP),
        jump(8, libc::AF_INET6.cast_unsigned(), 9, PASS),
        load(HALF, V6 + KIND),
        jump(10, protocol, 11, PASS),
        load(HALF, V6 + HEADER + KIND),
        jump(12, number, 13, PASS),
        load(BYTE, V6 + HEADER + HEADER),
        jump(14, TCP as u32, PASS, DROP),
        give(u32::MAX),
        give(0),
    ]
}

const fn load(size: u16, offset: u32) -> Instruction {
    Instruction {
        code: size,
        yes: 0,
        no: 0,
        value: offset,
    }
}

/// The instruction at `at`; goes on at `yes` or at `no`, both of which come later.
const fn jump(at: u8, value: u32, yes: u8, no: u8) -> Instruction {
    Instruction {
        code: JUMP_IF_EQUAL,
        yes: yes - at - 1,
        no: no - at - 1,
        value,
    }
}

const fn give(bytes: u32) -> Instruction {
    load(RETURN, bytes)
}

/// A half word that the kernel wrote in the machine's order, as the program loads it: in network order.
const fn native(value: u16) -> u32 {
    value.to_be() as u32
}

/// Where the program ends.
const PASS: u8 = 15;
const DROP: u8 = 16;

// uapi/linux/bpf_common.h
/// `BPF_LD | BPF_B | BPF_ABS`.
const BYTE: u16 = 0x30;
/// `BPF_LD | BPF_H | BPF_ABS`.
const HALF: u16 = 0x28;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const JUMP_IF_EQUAL: u16 = 0x15;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;

/// `nfgenmsg.nfgen_family`, after `struct nlmsghdr`.
const FAMILY: u32 = 16;
/// Where the protocol's part of the first tuple begins: after the headers of the message (20), of the tuple, of its
/// addresses, and two addresses.
const V4: u32 = 20 + 2 * HEADER + 2 * (HEADER + 4);
const V6: u32 = 20 + 2 * HEADER + 2 * (HEADER + 16);
/// `struct nlattr`, and its type within.
const HEADER: u32 = 4;
const KIND: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctnetlink::change::changes;
    use proptest::prelude::*;

    const NEW: &[u8] = include_bytes!("testdata/new.bin");
    const UPDATE_V6: &[u8] = include_bytes!("testdata/update_ipv6.bin");
    const UDP: &[u8] = include_bytes!("testdata/new_udp.bin");
    const UDP_V6: &[u8] = include_bytes!("testdata/new_udp_ipv6.bin");

    #[test]
    fn only_tcp_passes() {
        assert!(passes(NEW) && passes(UPDATE_V6));
        assert!(!passes(UDP) && !passes(UDP_V6));
    }

    #[test]
    fn another_layout_passes_to_the_decoder() {
        let mut bytes = UDP.to_vec();
        // The type of the tuple's second part.
        bytes[46] = 9;
        assert!(passes(&bytes));
        bytes = UDP_V6.to_vec();
        bytes[16] = 7;
        assert!(passes(&bytes));
    }

    proptest! {
        #[test]
        fn nothing_that_is_a_change_of_tcp_is_dropped(at in 0..NEW.len(), byte in any::<u8>()) {
            let mut bytes = NEW.to_vec();
            bytes[at] = byte;
            let is_change = changes(&bytes).any(|change| matches!(change, Ok(Some(_))));
            prop_assert!(!is_change || passes(&bytes));
        }
    }

    /// What the kernel does with the program.
    fn passes(bytes: &[u8]) -> bool {
        let (mut at, mut value) = (0, 0);
        loop {
            let Instruction {
                code,
                yes,
                no,
                value: operand,
            } = tcp_only()[at];
            let offset = operand as usize;
            at += 1;
            match code {
                BYTE => value = u32::from(bytes[offset]),
                HALF => value = u32::from(u16::from_be_bytes([bytes[offset], bytes[offset + 1]])),
                JUMP_IF_EQUAL => at += usize::from(if value == operand { yes } else { no }),
                _ => return operand != 0,
            }
        }
    }
}
