//! What is asked of nf_tables.
//!
//! All families are asked for at once; which of them are of interest is decided by who decodes the answers.

use crate::inspect::message::{DUMP, ONE};
use crate::inspect::nla::Request;

/// Asks for the generation of the rules.
pub fn generation(sequence: u32) -> Vec<u8> {
    get(GET_GENERATION, ONE, sequence, 0).finish()
}

pub fn tables(sequence: u32) -> Vec<u8> {
    get(GET_TABLE, DUMP, sequence, 0).finish()
}

pub fn chains(sequence: u32) -> Vec<u8> {
    get(GET_CHAIN, DUMP, sequence, 0).finish()
}

pub fn rules(sequence: u32) -> Vec<u8> {
    get(GET_RULE, DUMP, sequence, 0).finish()
}

pub fn sets(sequence: u32) -> Vec<u8> {
    get(GET_SET, DUMP, sequence, 0).finish()
}

pub fn flowtables(sequence: u32) -> Vec<u8> {
    get(GET_FLOWTABLE, DUMP, sequence, 0).finish()
}

/// Where the elements of a set are: its names as the kernel wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAddress {
    /// `NFPROTO_*`.
    pub family: u8,
    pub table: Box<[u8]>,
    pub name: Box<[u8]>,
}

/// Asks for the elements of one set.
pub fn elements(sequence: u32, set: &SetAddress) -> Vec<u8> {
    get(GET_SET_ELEMENT, DUMP, sequence, set.family)
        .with(LIST_TABLE, &terminated(&set.table))
        .with(LIST_SET, &terminated(&set.name))
        .finish()
}

fn get(kind: u16, flags: u16, sequence: u32, family: u8) -> Request {
    // struct nfgenmsg
    Request::new(SUBSYSTEM << 8 | kind, flags, sequence, &[family, 0, 0, 0])
}

fn terminated(name: &[u8]) -> Vec<u8> {
    [name, &[0]].concat()
}

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
// enum nf_tables_msg_types
const GET_TABLE: u16 = 1;
const GET_CHAIN: u16 = 4;
const GET_RULE: u16 = 7;
const GET_SET: u16 = 10;
const GET_SET_ELEMENT: u16 = 13;
const GET_GENERATION: u16 = 16;
const GET_FLOWTABLE: u16 = 23;
// enum nft_set_elem_list_attributes
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
