//! The names of ip sets, which rules know by their numbers.
//!
//! Does not read what is in them.

use crate::inspect::rules::bytes::{text, until_nul};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The names of a namespace's ip sets by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetNames(BTreeMap<u16, Arc<str>>);

impl SetNames {
    pub(super) const NONE: &'static Self = &Self(BTreeMap::new());

    /// What to ask the kernel for the name of a set with.
    pub fn request(number: u16) -> [u8; QUESTION] {
        let mut request = [0; QUESTION];
        let words = [GET_BY_INDEX, PROTOCOL].map(u32::to_ne_bytes);
        let bytes = words.into_iter().flatten().chain(number.to_ne_bytes());
        for (slot, byte) in request.iter_mut().zip(bytes) {
            *slot = byte;
        }
        request
    }

    /// Takes the answer in; a number that no set has is answered with an empty name.
    pub fn learn(&mut self, number: u16, answer: &[u8]) {
        let name = until_nul(answer.get(NAME..QUESTION).unwrap_or_default());
        if !name.is_empty() {
            self.0.insert(number, text(name).into());
        }
    }

    /// Or the number, where there is no name.
    pub(super) fn shown(&self, number: u16) -> Arc<str> {
        let known = self.0.get(&number).cloned();
        known.unwrap_or_else(|| format!("#{number}").into())
    }
}

/// `struct ip_set_req_get_set`.
pub const QUESTION: usize = 40;
const NAME: usize = 8;
/// `IP_SET_OP_GET_BYINDEX`.
const GET_BY_INDEX: u32 = 7;
/// The oldest protocol that kernels still speak.
const PROTOCOL: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_shown_by_its_name_once_it_is_told() {
        let mut names = SetNames::default();
        let mut answer = SetNames::request(3);
        assert_eq!(answer[8..10], 3_u16.to_ne_bytes());
        answer[8..16].copy_from_slice(b"blocked\0");
        names.learn(3, &answer);
        assert_eq!((&*names.shown(3), &*names.shown(4)), ("blocked", "#4"));
    }

    #[test]
    fn no_name_is_none() {
        let mut names = SetNames::default();
        names.learn(1, &[0; QUESTION]);
        names.learn(2, &[1; 9]);
        names.learn(3, &[]);
        assert_eq!(names, SetNames::default());
    }
}
