use super::*;
use crate::kernel::btf::Btf;
use tracer_common::offsets::MISSING;

/// A distribution's kernel between 5.17 and 6.9: conntrack and the rejecting rules are modules, which are loaded;
/// `tcp_send_reset` has no reason.
fn distribution() -> Facts {
    let mut facts = Facts::of(&Btf::of_running_kernel().expect("the tests need a kernel with BTF"));
    let mut number = 0..;
    for spec in &HOOKS {
        if let Some(module) = spec.module {
            facts.modules.insert(module, number.next().unwrap_or_default());
            facts.functions.remove(spec.name);
        }
    }
    facts.functions.insert("nf_conntrack_destroy");
    facts.tracepoints.insert("tcp_send_reset", 2);
    facts.rst_reasons.clear();
    facts.rejects_close = false;
    facts
}

fn wishes() -> Wishes {
    Wishes {
        export_all: true,
        conntrack_events: true,
        drops_per_second: 1000,
        resets_per_second: 20_000,
        slots: 65_536,
    }
}

fn status(facts: &Facts, wishes: Wishes, refusals: &Refusals, hook: Hook) -> HookStatus {
    let plan = plan(facts, wishes, refusals);
    let found = plan.into_iter().find(|status| status.hook == hook);
    found.unwrap_or_else(|| panic!("{hook:?} is not in the plan"))
}

fn how(facts: &Facts, refusals: &Refusals, hook: Hook) -> How {
    status(facts, wishes(), refusals, hook).how
}

fn reason(facts: &Facts, refusals: &Refusals, hook: Hook) -> String {
    status(facts, wishes(), refusals, hook).reason.unwrap_or_default()
}

fn without_trampolines() -> Refusals {
    Refusals {
        trampolines: Some("refused".into()),
        ..Refusals::default()
    }
}

#[test]
fn the_best_way_is_a_trampoline_and_in_a_module_a_kprobe() {
    let (facts, none) = (distribution(), Refusals::default());
    for (hook, expected) in [
        (Hook::SetState, How::TpBtf),
        (Hook::Connect, How::Fentry),
        (Hook::NoSocketReset4, How::Fentry),
        (Hook::RuleReset4, How::Kprobe),
        (Hook::ConntrackNew, How::Kretprobe),
        (Hook::ConntrackUpdate, How::Kretprobe),
        (Hook::ConntrackDestroy, How::Kprobe),
    ] {
        assert_eq!(how(&facts, &none, hook), expected, "{hook:?}");
    }
    assert!(reason(&facts, &none, Hook::RuleReset4).contains("module"));
    assert_eq!(status(&facts, wishes(), &none, Hook::Connect).reason, None);
}

#[test]
fn what_is_refused_is_not_tried_again_and_the_next_best_way_says_why() {
    let facts = distribution();
    let mut refusals = without_trampolines();
    assert_eq!(how(&facts, &refusals, Hook::Connect), How::Kprobe);
    assert!(reason(&facts, &refusals, Hook::Connect).contains("fentry: refused"));
    let key = (How::Kprobe, "tcp_connect");
    refusals
        .ways
        .insert(key, "tcp_connect exists only as tcp_connect.constprop.0".into());
    assert_eq!(how(&facts, &refusals, Hook::Connect), How::Absent);
    assert!(reason(&facts, &refusals, Hook::Connect).contains("constprop"));
    assert_eq!(
        how(&facts, &refusals, Hook::NoSocketReset4),
        How::Kprobe,
        "only that function"
    );
}

#[test]
fn without_trampolines_and_kprobes_tracepoints_and_netlink_stand_in() {
    let facts = distribution();
    let refusals = Refusals::of(Ladder::Tracepoint);
    assert_eq!(how(&facts, &refusals, Hook::NoSocketReset4), How::TpBtf);
    assert_eq!(
        status(&facts, wishes(), &refusals, Hook::NoSocketReset4).weakens,
        [""; 0]
    );
    for hook in [Hook::ConntrackNew, Hook::ConntrackUpdate, Hook::ConntrackDestroy] {
        assert_eq!(how(&facts, &refusals, hook), How::Netlink);
    }
    let modest = Wishes {
        conntrack_events: false,
        ..wishes()
    };
    assert_eq!(
        status(&facts, modest, &refusals, Hook::ConntrackDestroy).how,
        How::Absent
    );
    let plan = plan(&facts, wishes(), &refusals);
    let config = config(&facts, wishes(), &plan);
    assert_eq!(Some(config.no_socket_reason), facts.no_socket);
    assert_eq!(config.has_connect_hook, 0, "the change of state tells connects");
    assert!(
        plan.iter()
            .all(|status| status.how == How::TpBtf || status.reason.is_some())
    );
}

#[test]
fn one_conntrack_hook_that_cannot_run_leaves_all_of_them_to_netlink() {
    let facts = distribution();
    let mut refusals = Refusals::default();
    let key = (How::Kretprobe, "nf_conntrack_tcp_packet");
    refusals.ways.insert(key, "inlined".into());
    for hook in [Hook::ConntrackNew, Hook::ConntrackUpdate, Hook::ConntrackDestroy] {
        let status = status(&facts, wishes(), &refusals, hook);
        assert_eq!((status.how, status.way), (How::Netlink, None), "never both");
        assert!(status.reason.is_some_and(|reason| reason.contains("inlined")));
    }
}

#[test]
fn a_function_of_a_module_that_is_not_loaded_is_awaited() {
    let mut facts = distribution();
    facts.modules.clear();
    let status = |hook| status(&facts, wishes(), &Refusals::default(), hook);
    assert_eq!(status(Hook::RuleReset4).awaits, Some("nf_reject_ipv4"));
    assert!(
        status(Hook::RuleReset4)
            .reason
            .is_some_and(|reason| reason.contains("hooked when it is"))
    );
    assert_eq!(status(Hook::RuleReset4).weakens, [""; 0], "no rule rejects without it");
    // Its end is seen without the module's own function.
    assert_eq!(
        status(Hook::ConntrackDestroy).way.map(|way| way.target),
        Some("nf_conntrack_destroy")
    );
    assert_eq!(
        status(Hook::ConntrackNew).how,
        How::Absent,
        "no netlink for what cannot happen yet"
    );
}

#[test]
fn a_function_whose_parameters_are_strange_is_left_alone() {
    let mut facts = distribution();
    facts.strangers.insert("tcp_v4_send_reset");
    let refusals = Refusals::default();
    assert_eq!(
        how(&facts, &refusals, Hook::NoSocketReset4),
        How::TpBtf,
        "by the drop that follows"
    );
    assert!(reason(&facts, &refusals, Hook::NoSocketReset4).contains("parameters"));
    let twin = status(&facts, wishes(), &refusals, Hook::NoSocketReset6);
    assert_eq!(
        (twin.how, twin.way),
        (How::TpBtf, None),
        "or its resets would come twice"
    );
}

#[test]
fn what_only_drops_tell_is_lost_with_them() {
    let mut facts = distribution();
    facts.rejects_close = true;
    let mut refusals = Refusals::of(Ladder::Tracepoint);
    assert_eq!(how(&facts, &refusals, Hook::NoSocketReset4), How::TpBtf);
    refusals.ways.insert((How::TpBtf, "kfree_skb"), "refused".into());
    for hook in [Hook::NoSocketReset4, Hook::NoSocketReset6, Hook::RuleReset4] {
        let status = status(&facts, wishes(), &refusals, hook);
        assert_eq!(status.how, How::Absent);
        assert!(!status.weakens.is_empty());
    }
}

#[test]
fn reasons_that_leave_netfilter_out_are_as_good_as_none() {
    let mut facts = distribution();
    facts.drop_reasons.clear();
    facts.dropper = Some(0x1000..0x1400);
    let plan = plan(&facts, wishes(), &Refusals::default());
    assert_eq!(config(&facts, wishes(), &plan).kfree_skb_args, 2);
}

#[test]
fn a_field_that_is_missing_is_named_and_only_its_hooks_are_lost() {
    let mut facts = distribution();
    facts.offsets.skb_head = MISSING;
    let refusals = Refusals::default();
    for hook in [Hook::Drop, Hook::RuleReset4, Hook::NoSocketReset6] {
        assert_eq!(how(&facts, &refusals, hook), How::Absent);
        assert_eq!(reason(&facts, &refusals, hook), "this kernel's BTF has no sk_buff.head");
    }
    assert_eq!(how(&facts, &refusals, Hook::Retransmit), How::TpBtf);
}

#[test]
fn drops_without_reasons_are_told_by_their_place_if_that_is_not_hidden() {
    let mut facts = distribution();
    facts.tracepoints.insert("kfree_skb", 2);
    let refusals = Refusals::default();
    assert!(reason(&facts, &refusals, Hook::Drop).contains("kptr_restrict"));
    facts.dropper = Some(0x1000..0x1400);
    let status = status(&facts, wishes(), &refusals, Hook::Drop);
    assert_eq!(
        (status.how, status.weakens.first()),
        (How::TpBtf, Some(&"dropped-in-kernel"))
    );
    let config = config(&facts, wishes(), &plan(&facts, wishes(), &refusals));
    assert_eq!((config.dropper_from, config.dropper_to), (0x1000, 0x1400));
}

#[test]
fn hooks_that_nobody_has_a_use_for_are_not_planned() {
    let mut facts = distribution();
    let modest = Wishes::default();
    let has = |facts: &Facts, hook| {
        let plan = plan(facts, modest, &Refusals::default());
        plan.iter().any(|status| status.hook == hook)
    };
    assert!(!has(&facts, Hook::Connect) && !has(&facts, Hook::ConntrackUpdate) && !has(&facts, Hook::ActiveReset));
    assert!(has(&facts, Hook::NoSocketReset4));
    facts.tracepoints.insert("tcp_send_reset", 3);
    assert!(!has(&facts, Hook::NoSocketReset4), "the tracepoint tells it");
    let mut refusals = Refusals::default();
    refusals.ways.insert((How::TpBtf, "tcp_send_reset"), "refused".into());
    let planned = plan(&facts, modest, &refusals);
    let wanted = [Hook::NoSocketReset4, Hook::ActiveReset];
    assert!(
        wanted
            .iter()
            .all(|hook| planned.iter().any(|status| status.hook == *hook))
    );
    facts.tracepoints.remove("tcp_send_reset");
    assert!(has(&facts, Hook::ActiveReset));
}

#[test]
fn a_kernel_that_shows_nothing_has_a_row_and_a_reason_for_everything() {
    let mut empty = Vec::from(0xeb9f_u16.to_ne_bytes());
    empty.extend([1, 0]);
    empty.extend([24, 0, 0, 0, 1].into_iter().flat_map(u32::to_ne_bytes));
    empty.push(0);
    let facts = Facts::of(&Btf::parse(empty).unwrap());
    let plan = plan(&facts, wishes(), &Refusals::default());
    assert!(
        plan.iter()
            .all(|status| status.reason.is_some() && status.way.is_none()),
        "{plan:#?}"
    );
    assert_eq!(HookStatus::none("no BTF").len(), HOOKS.len());
}
