//! Which rules a packet meets, what they do to it, and what becomes of it: the kernel's way through a ruleset, without
//! the kernel.
//!
//! Pure, and three-valued: what is not known may fit, and then there is more than one outcome.
