//! The types of sets' keys and data, as nft numbers them: how long each part is and in which order its bytes are.
//!
//! The kernel knows only bytes; the numbers are a remark that nft (and whoever writes sets for it to read) leaves there.

use crate::model::rules::Value;

/// In which order the bytes of a number lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The first byte is the most significant, as on the wire.
    Wire,
    /// The machine's.
    Host,
}

impl Order {
    /// A number of at most 16 bytes; `None`: there are more.
    pub(super) fn number(self, bytes: &[u8]) -> Option<u128> {
        let mut wide = [0; 16];
        let at = wide.len().checked_sub(bytes.len())?;
        wide.get_mut(at..)?.copy_from_slice(bytes);
        if self == Self::Host && cfg!(target_endian = "little") {
            wide.get_mut(at..)?.reverse();
        }
        Some(u128::from_be_bytes(wide))
    }

    pub(super) fn swapped(self) -> Self {
        match self {
            Self::Wire => Self::Host,
            Self::Host => Self::Wire,
        }
    }
}

/// One part of a key or of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) length: usize,
    pub(super) form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Number(Order),
    Name,
    /// A number whose order nobody tells.
    Unknown,
}

impl Part {
    /// What the part takes in registers and in keys of several parts.
    pub(super) fn padded(self) -> usize {
        self.length.next_multiple_of(4)
    }

    /// `None`: longer than any number.
    pub(super) fn value(self, bytes: &[u8]) -> Option<Value> {
        match self.form {
            Form::Name => Some(Value::Name(trimmed(bytes).into())),
            Form::Number(order) => order.number(bytes).map(Value::Number),
            Form::Unknown => Order::Wire.number(bytes).map(Value::Number),
        }
    }

    /// In a set of intervals keys are in the wire's order, whatever their type: the kernel sorts their bytes.
    pub(super) fn in_intervals(self) -> Self {
        let form = match self.form {
            Form::Number(_) => Form::Number(Order::Wire),
            Form::Name => Form::Name,
            Form::Unknown => Form::Unknown,
        };
        Self { form, ..self }
    }
}

/// The parts of a type that is `length` bytes long. `sizes` are the lengths of the parts where the kernel was told them,
/// `order` what nft noted of a type that is a mere integer.
pub(super) fn parts(kind: u32, length: usize, sizes: &[usize], order: Option<Order>) -> Vec<Part> {
    let kinds = components(kind);
    let single = [length];
    let sizes = match kinds.len() {
        1 => &single[..],
        count if count == sizes.len() => sizes,
        _ => &[],
    };
    let parts: Vec<_> = kinds
        .iter()
        .enumerate()
        .map(|(index, &kind)| part(kind, sizes.get(index).copied(), order))
        .collect();
    let total: usize = match *parts.as_slice() {
        [part] => part.length,
        ref parts => parts.iter().map(|part| part.padded()).sum(),
    };
    if total == length {
        parts
    } else {
        let form = if length == 1 {
            Form::Number(Order::Wire)
        } else {
            Form::Unknown
        };
        vec![Part { length, form }]
    }
}

/// A concatenation has six bits for each part, the first one highest.
fn components(kind: u32) -> Vec<u32> {
    let mut kinds: Vec<_> = (0..5).rev().map(|place| kind >> (place * 6) & 0x3f).collect();
    kinds.retain(|&kind| kind != 0);
    if kinds.is_empty() {
        kinds.push(0);
    }
    kinds
}

fn part(kind: u32, size: Option<usize>, order: Option<Order>) -> Part {
    let known = KINDS.get(usize::try_from(kind).unwrap_or(usize::MAX));
    let (length, form) = known.copied().unwrap_or((0, Form::Unknown));
    let actual = size.unwrap_or(length);
    let form = match form {
        Form::Unknown if actual == 1 => Form::Number(Order::Wire),
        Form::Unknown => order.map_or(Form::Unknown, Form::Number),
        // Not what the type says: the type is not to be believed.
        Form::Number(_) | Form::Name if length != actual && length != ANY => Form::Unknown,
        Form::Number(_) | Form::Name => form,
    };
    Part { length: actual, form }
}

/// A name without its NULs.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// Of any length.
const ANY: usize = 0;
const WIRE: Form = Form::Number(Order::Wire);
const HOST: Form = Form::Number(Order::Host);
/// Length and form by nft's number (`enum datatypes`).
const KINDS: [(usize, Form); 47] = [
    (ANY, Form::Unknown), // invalid
    (ANY, Form::Unknown), // verdict
    (1, WIRE),            // nf_proto
    (ANY, Form::Unknown), // bitmask
    (ANY, Form::Unknown), // integer
    (ANY, Form::Name),    // string
    (ANY, WIRE),          // ll_addr
    (4, WIRE),            // ipv4_addr
    (16, WIRE),           // ipv6_addr
    (2, WIRE),            // ether_type
    (6, WIRE),            // ether_addr
    (2, WIRE),            // arp_op
    (1, WIRE),            // inet_proto
    (2, WIRE),            // inet_service
    (1, WIRE),            // icmp_type
    (1, WIRE),            // tcp_flag
    (1, WIRE),            // dccp_pkttype
    (1, WIRE),            // mh_type
    (4, HOST),            // time
    (4, HOST),            // mark
    (4, HOST),            // iface_index
    (2, HOST),            // arphrd
    (4, HOST),            // realm
    (4, HOST),            // classid
    (4, HOST),            // uid
    (4, HOST),            // gid
    (4, HOST),            // ct_state
    (1, WIRE),            // ct_dir
    (4, HOST),            // ct_status
    (1, WIRE),            // icmpv6_type
    (16, HOST),           // ct_label
    (1, WIRE),            // pkt_type
    (1, WIRE),            // icmp_code
    (1, WIRE),            // icmpv6_code
    (1, WIRE),            // icmpx_code
    (4, HOST),            // devgroup
    (1, WIRE),            // dscp
    (1, WIRE),            // ecn
    (4, HOST),            // fib_addrtype
    (1, WIRE),            // boolean
    (4, HOST),            // ct_event
    (16, Form::Name),     // ifname
    (1, WIRE),            // igmp_type
    (8, HOST),            // time (date)
    (4, HOST),            // hour
    (1, WIRE),            // day
    (8, HOST),            // cgroupsv2
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_concatenation_is_taken_apart_with_its_padding() {
        let kind = 7 << 12 | 0xd << 6 | 0x29;
        let all = parts(kind, 4 + 4 + 16, &[], None);
        let forms: Vec<_> = all.iter().map(|part| (part.length, part.form)).collect();
        assert_eq!(forms, [(4, WIRE), (2, WIRE), (16, Form::Name)]);
    }

    #[test]
    fn a_type_that_does_not_fit_its_length_is_unknown() {
        let unknown = |length| {
            vec![Part {
                length,
                form: Form::Unknown,
            }]
        };
        assert_eq!(parts(7, 8, &[], None), unknown(8));
        assert_eq!(parts(13, 4, &[], None), unknown(4));
        assert_eq!(parts(7 << 6 | 0xd, 12, &[], None), unknown(12));
        assert_eq!(parts(0, 4, &[], None), unknown(4));
        assert_eq!(parts(63, 4, &[], None), unknown(4));
    }

    #[test]
    fn the_order_of_an_integer_is_what_is_noted_of_it() {
        assert_eq!(parts(4, 4, &[], Some(Order::Host))[0].form, HOST);
        assert_eq!(parts(4, 1, &[], None)[0].form, WIRE);
        let both = parts(4 << 6 | 0xd, 8, &[2, 2], None);
        assert_eq!((both[0].form, both[1].form), (Form::Unknown, WIRE));
    }

    #[test]
    fn numbers_are_read_in_their_order() {
        let bytes = 0x1337_u32.to_ne_bytes();
        assert_eq!(Order::Host.number(&bytes), Some(0x1337));
        assert_eq!(Order::Wire.number(&[0, 80]), Some(80));
        assert_eq!(Order::Wire.number(&[0; 17]), None);
        assert_eq!(Order::Host.number(&[]), Some(0));
    }
}
