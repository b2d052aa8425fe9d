//! The kernel's BTF as aya takes it: nothing but the names of what programs are attached to.
//!
//! aya asks a BTF one thing, the number of a tracepoint's or function's type, and that is the type's place. So it gets a
//! list of as many types as there are up to the last of them, pointers to nothing but where a name is. Its own parse of
//! vmlinux takes three times as long as ours and 15 MiB, and cannot be asked for a struct's members.

use super::parse::{FUNC, MAGIC, PTR, TYPEDEF, Type};
use super::{Btf, tracepoint_type};
use aya::Endianness;
use std::collections::BTreeMap;

impl Btf {
    /// What aya has to know to attach to those of the tracepoints and functions that this kernel has.
    pub fn targets<'a>(
        &self,
        tracepoints: impl IntoIterator<Item = &'a str>,
        functions: impl IntoIterator<Item = &'a str>,
    ) -> Result<aya::Btf, aya::BtfError> {
        let tracepoints = tracepoints.into_iter().map(tracepoint_type);
        let tracepoints = tracepoints.filter_map(|name| self.named(&name, &[TYPEDEF]));
        let functions = functions.into_iter().filter_map(|name| self.named(name, &[FUNC]));
        let targets: BTreeMap<u32, Type<'_>> = tracepoints.chain(functions).map(|ty| (ty.id, ty)).collect();
        aya::Btf::parse(&list(&targets), Endianness::default())
    }
}

fn list(targets: &BTreeMap<u32, Type<'_>>) -> Vec<u8> {
    let last = targets.keys().next_back().copied().unwrap_or(0);
    let mut types = [0, PTR << 24, 0].repeat(last as usize);
    let mut strings = vec![0];
    for (&id, target) in targets {
        let place = (id as usize)
            .checked_sub(1)
            .and_then(|place| types.get_mut(place * 3..));
        if let Some([name, info, ..]) = place {
            (*name, *info) = (length(strings.len()), target.kind() << 24);
        }
        strings.extend(target.name().unwrap_or_default());
        strings.push(0);
    }
    let bytes = length(types.len() * 4);
    let mut list = Vec::with_capacity(HEADER as usize + types.len() * 4 + strings.len());
    list.extend(MAGIC.to_ne_bytes());
    list.extend([1, 0]);
    let head = [HEADER, 0, bytes, bytes, length(strings.len())];
    list.extend(head.iter().chain(&types).flat_map(|word| word.to_ne_bytes()));
    list.extend(strings);
    list
}

/// aya refuses a list that is longer than its header says.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

const HEADER: u32 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_attached_to_keeps_its_number_and_nothing_else_has_a_name() {
        let kernel = Btf::of_running_kernel().unwrap();
        let targets = kernel
            .targets(["kfree_skb", "no_such"], ["tcp_connect", "no_such"])
            .unwrap();
        let targets = Btf::parse(targets.to_bytes()).unwrap();
        for (name, kind) in [("btf_trace_kfree_skb", TYPEDEF), ("tcp_connect", FUNC)] {
            let id = |btf: &Btf| btf.named(name, &[kind]).map(|ty| ty.id);
            assert!(id(&kernel).is_some_and(|number| id(&targets) == Some(number)), "{name}");
        }
        assert!(targets.function("tcp_v4_rcv").is_none() && targets.offset("sizeof sock").is_none());
    }

    #[test]
    fn nothing_to_attach_to_is_an_empty_list() {
        let kernel = Btf::of_running_kernel().unwrap();
        let targets = kernel.targets([], ["no_such"]).unwrap();
        assert!(Btf::parse(targets.to_bytes()).is_ok());
    }
}
