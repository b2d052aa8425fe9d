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
    redirect_loop: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom];
    stale_conntrack: [nft iptables_nft iptables_legacy] x [ipv4_phantom ipv6_phantom];
    stale_conntrack_unreplied: [nft iptables_nft iptables_legacy] x [ipv4_phantom ipv6_phantom];
    invalid_packet_reset: [nft iptables_nft iptables_legacy] x [ipv4_phantom ipv6_phantom];
    nat_binding_lost: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom];
    original_destination_lost: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    redirect_fan_in: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom];
    syn_dropped: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom];
    syn_dropped_forward: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv6_phantom];
    syn_dropped_twins: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    rejected_by_rule: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv6_phantom];
    rejected_by_rule_icmp: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    rejected_by_rule_forward: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom];
    no_endpoints: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom];
    no_endpoints_forward: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    no_endpoints_local: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    accept_queue_full: [iptables_nft] x [ipv4 ipv6];
    accept_queue_full_translated: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    port_exhausted: [iptables_nft] x [ipv4 ipv6 ipv4_phantom];
    loopback_only_mismatch: [iptables_nft] x [ipv4 ipv6];
    loopback_only_mismatch_pod: [iptables_nft] x [ipv4 ipv6];
    loopback_only_mismatch_family: [iptables_nft] x [ipv4];
    reset_by_peer: [iptables_nft] x [ipv4_phantom ipv6_phantom];
    reset_by_peer_pattern: [iptables_nft] x [ipv4_phantom ipv6_phantom];
    socket_destroyed: [iptables_nft] x [ipv4 ipv6 ipv4_phantom];
    socket_destroyed_connect: [iptables_nft] x [ipv4_phantom ipv6_phantom];
    path_mtu_blackhole: [iptables_nft] x [ipv4 ipv6];
    unanswered: [iptables_nft] x [ipv4_phantom ipv6_phantom];
    unanswered_duplicate_jump: [nft iptables_nft iptables_legacy] x [ipv4_phantom ipv6_phantom];
    unanswered_hooks_off: [nft] x [ipv4_phantom ipv6_phantom];
    dropped_in_kernel: [iptables_nft] x [ipv4];
    dropped_in_kernel_tc: [iptables_nft] x [ipv4 ipv6 ipv4_phantom];
    martian_redirect: [nft iptables_nft iptables_legacy] x [ipv4];
    reverse_path_filtered: [iptables_nft] x [ipv4];
    reverse_path_filtered_mark: [nft iptables_nft iptables_legacy] x [ipv4];
    unreachable_target: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    unreachable_target_docker: [iptables_nft iptables_legacy] x [ipv4];
    conntrack_exhausted: [nft iptables_legacy] x [ipv4 ipv6_phantom];
    syn_dropped_full_table: [nft iptables_nft iptables_legacy] x [ipv4];
    refused_port: [iptables_nft] x [ipv4 ipv6];
    local_refused_port: [iptables_nft] x [ipv4 ipv6];
    one_give_up: [iptables_nft] x [ipv4_phantom ipv6_phantom];
    happy_eyeballs: [iptables_nft] x [ipv4];
    graceful_close: [iptables_nft] x [ipv4 ipv6 ipv4_phantom];
    half_close: [iptables_nft] x [ipv4 ipv6];
    reset_after_fin: [iptables_nft] x [ipv4 ipv6];
    linger_zero: [iptables_nft] x [ipv4 ipv6 ipv6_phantom];
    close_with_unread_data: [iptables_nft] x [ipv4 ipv6 ipv4_phantom];
    health_checks: [iptables_nft] x [ipv4 ipv6 ipv4_phantom ipv6_phantom];
    peer_does_not_read: [iptables_nft] x [ipv4 ipv6];
    closed_window: [iptables_nft] x [ipv4_phantom ipv6_phantom];
    slow_accept: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    lossy_path: [iptables_nft] x [ipv4 ipv6];
    sidecar: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom];
    sidecar_calls_itself: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    service: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv4_phantom];
    v6_listener: [nft iptables_nft iptables_legacy] x [ipv4];
    late_listener: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    unused_mark: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    rule_deleted: [nft iptables_nft iptables_legacy] x [ipv4 ipv6 ipv6_phantom];
    port_clash: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    hooks_off: [nft] x [ipv4 ipv6 ipv4_phantom];
    exempt_proxy: [nft iptables_nft iptables_legacy] x [ipv4 ipv6];
    localhost_falls_back: [iptables_nft] x [ipv4];
}
