//! The matrix of scenarios that the live tests run: a real test function for each, which calls the crate's `check`.
//!
//! Scenarios in which the rules have no part run with one back end; a phantom peer stands in where a kernel peer's own
//! events could be what proves the cause.

use tracer_user::lab::{Backend, Family, PeerKind, Scenario, find, scenarios};

/// One scenario in one form.
pub(crate) struct Case {
    pub(crate) scenario: &'static Scenario,
    pub(crate) backend: Backend,
    pub(crate) family: Family,
    pub(crate) peer: Option<PeerKind>,
}

impl Case {
    /// From the names of the test function's modules and its own.
    fn new(module: &str, backend: &str, form: &str) -> Self {
        let (family, peer) = match form.strip_suffix("_phantom") {
            Some(family) => (family, Some(PeerKind::Phantom)),
            None => (form, None),
        };
        Self {
            scenario: find(&module.replace('_', "-")).expect("a scenario of this name"),
            backend: Backend::from_name(&backend.replace('_', "-")).expect("a back end of this name"),
            family: Family::from_name(family).expect("a family of this name"),
            peer,
        }
    }
}

macro_rules! table {
    ($($module:ident: [$($backend:ident)*] x $forms:tt;)*) => {
        $(mod $module {
            $(mod $backend { forms! { $module $backend $forms } })*
        })*

        #[test]
        fn every_scenario_is_in_the_table() {
            let modules = [$(stringify!($module)),*];
            for scenario in scenarios() {
                assert!(modules.contains(&scenario.name.replace('-', "_").as_str()), "{}", scenario.name);
            }
        }
    };
}

macro_rules! forms {
    ($module:ident $backend:ident [$($form:ident)*]) => {
        $(#[test]
        fn $form() {
            crate::check(&super::super::Case::new(stringify!($module), stringify!($backend), stringify!($form)));
        })*
    };
}

table! {
    reply_rejected_pooled: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom ipv6_phantom];
    reply_rejected: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom ipv6_phantom];
    redirect_to_dead_port: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    redirect_target_blocked: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    redirect_target_stalled: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    redirect_target_stalled_full: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    stale_conntrack: [nft iptables_nft iptables_legacy] x [ipv4_phantom ipv6_phantom];
    stale_conntrack_unreplied: [nft iptables_nft iptables_legacy] x [ipv4_phantom ipv6_phantom];
    invalid_packet_reset: [nft iptables_nft iptables_legacy] x [ipv4_phantom ipv6_phantom];
    nat_binding_lost: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom];
    original_destination_lost: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    syn_dropped: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom];
    syn_dropped_forward: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv6_phantom];
    syn_dropped_twins: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    rejected_by_rule: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv6_phantom];
    rejected_by_rule_icmp: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    rejected_by_rule_forward: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom];
    accept_queue_full: [iptables_nft] x [ipv4 ipv6];
    reset_by_peer: [iptables_nft] x [ipv4_phantom ipv6_phantom];
    unanswered: [iptables_nft] x [ipv4_phantom ipv6_phantom];
    dropped_in_kernel: [iptables_nft] x [ipv4];
    refused_port: [iptables_nft] x [ipv4 ipv6];
    graceful_close: [iptables_nft] x [ipv4 ipv6 ipv4_phantom];
    linger_zero: [iptables_nft] x [ipv4 ipv6 ipv6_phantom];
    close_with_unread_data: [iptables_nft] x [ipv4 ipv6 ipv4_phantom];
    one_give_up: [iptables_nft] x [ipv4_phantom ipv6_phantom];
    peer_does_not_read: [iptables_nft] x [ipv4 ipv6];
    v6_listener: [nft iptables_nft iptables_legacy] x [ipv4];
    late_listener: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    unused_mark: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
}
