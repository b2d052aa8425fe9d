//! Accessors on `struct nf_conn`, which is known by its address only.

use tracer_common::{
    event::Conntrack,
    stat::Hook,
    tuple::{IPV4, IPV6, Tuple},
};

use crate::read::{self, Memory, offset};

/// The bits of `skb->_nfct` that hold `enum ip_conntrack_info`.
const INFO: u64 = 7;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Writes the entry behind `skb->_nfct`. Without one only the relation is written (an untracked packet has its own).
#[inline(always)]
pub(crate) fn fill(nfct: u64, hook: Hook, record: &mut Conntrack) -> Option<()> {
    record.info = (nfct & INFO) as u8;
    let entry = Memory {
        address: nfct & !INFO,
        hook,
    };
    if entry.address == 0 {
        return None;
    }
    let original = entry
        .add(u64::from(offset!(ct_tuplehash)))
        .add(u64::from(offset!(ct_hash_tuple)));
    tuple(original, &mut record.original)?;
    tuple(original.add(u64::from(offset!(ct_hash_size))), &mut record.reply)?;
    record.status = entry.load::<u64>(offset!(ct_status)).unwrap_or(0) as u32;
    record.mark = entry.load(offset!(ct_mark)).unwrap_or(0);
    record.zone = entry.load(offset!(ct_zone)).unwrap_or(0);
    record.state = entry.load(offset!(ct_state)).unwrap_or(0);
    Some(())
}

#[inline(always)]
fn tuple(memory: Memory, tuple: &mut Tuple) -> Option<()> {
    let source: [u64; 2] = memory.load(offset!(ct_tuple_src))?;
    let destination: [u64; 2] = memory.load(offset!(ct_tuple_dst))?;
    tuple.family = match memory.load::<u16>(offset!(ct_tuple_l3num))? {
        AF_INET => IPV4,
        AF_INET6 => IPV6,
        _ => return None,
    };
    tuple.source = read::bytes(source);
    tuple.destination = read::bytes(destination);
    tuple.source_port = memory.load::<u16>(offset!(ct_tuple_sport))?.to_ne_bytes();
    tuple.destination_port = memory.load::<u16>(offset!(ct_tuple_dport))?.to_ne_bytes();
    Some(())
}
