//! Other kernels: what the planner learns from each, by files cut from what they say of themselves.
//!
//! `cargo xtask btf-fixture` makes the files.

#![expect(clippy::expect_used, reason = "the whole crate is tests")]

mod cut;
mod kernel;
mod table;

use crate::cut::{Wanted, cut};
use crate::kernel::Kernel;
use crate::table::{FACTS, PLANS, Row};
use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use tracer_common::offsets::MISSING;
use tracer_user::kernel::btf::{Btf, Function};
use tracer_user::kernel::hooks::HOOKS;
use tracer_user::kernel::plan::{Ladder, Refusals, Wishes, plan};
use tracer_user::model::hook::How;

/// Of the running kernel, or of the one in the folder that `CUT_FROM` names; `CUT_TO` names the fixture to write.
#[test]
fn a_cut_kernel_answers_like_the_whole() {
    let whole = match env::var_os("CUT_FROM") {
        Some(folder) => Kernel::read(Path::new(&folder)).expect("a collected kernel"),
        None => Kernel::running().expect("a kernel with BTF"),
    };
    let wanted = Wanted::new();
    let cut = cut(&whole, &wanted).expect("cut");
    assert_eq!(whole.facts().expect("facts"), cut.facts().expect("facts"));
    let (whole_btf, cut_btf) = (whole.btf().expect("BTF"), cut.btf().expect("BTF"));
    let (whole_modules, cut_modules) = (whole.modules().expect("BTF"), cut.modules().expect("BTF"));
    let modules = whole_modules
        .iter()
        .map(|(name, btf)| (btf, cut_modules.get(name).unwrap_or(&cut_btf)));
    for (whole, cut) in modules.chain([(&whole_btf, &cut_btf)]) {
        assert_eq!(answers(whole, &wanted), answers(cut, &wanted));
    }
    if let Some(label) = env::var_os("CUT_TO") {
        cut.write(&kernel::folder().join(label)).expect("written");
    }
}

#[test]
fn the_fixtures_say_what_is_known_of_the_kernels() {
    for row in &FACTS {
        let kernel = fixture(row.kernel);
        let (btf, facts) = (kernel.btf().expect("BTF"), kernel.facts().expect("facts"));
        let value = |name: &str, value: &str| {
            let mut values = btf.enum_values(name);
            values.find(|(found, _)| *found == value).map(|(_, number)| number)
        };
        let arguments = |tracepoint: &str| btf.tracepoint_args(tracepoint);
        let reason = |function: &str| {
            btf.function(function)
                .and_then(|function| function.enumeration(RESET_REASON))
        };
        let found = Row {
            kernel: row.kernel,
            send_reset: arguments("tcp_send_reset"),
            kfree_skb: arguments("kfree_skb"),
            retransmit: arguments("tcp_retransmit_skb"),
            error_report: arguments("inet_sk_error_report"),
            v4_reason: reason("tcp_v4_send_reset"),
            active_reason: reason("tcp_send_active_reset"),
            sk_err: btf.offset("sock.sk_err"),
            sk_mark: btf.offset("sock.sk_mark"),
            ct_mark: btf.offset("nf_conn.mark"),
            ct_state: btf.offset("nf_conn.proto.tcp.state"),
            cookie_is_counter: btf.offset("net.net_cookie.counter").is_some(),
            netfilter_drop: value("skb_drop_reason", "SKB_DROP_REASON_NETFILTER_DROP"),
            reset_no_socket: value(RESET_REASON, "SK_RST_REASON_NO_SOCKET"),
            socket_cookie: facts.has_socket_cookie,
            task_btf: facts.has_task_btf,
        };
        assert_eq!(&found, row);
    }
}

#[test]
fn what_never_moved_is_where_it_was_in_every_fixture() {
    for row in &FACTS {
        let kernel = fixture(row.kernel);
        let (btf, facts) = (kernel.btf().expect("BTF"), kernel.facts().expect("facts"));
        for (path, offset) in [
            ("sock.__sk_common.skc_rcv_saddr", 4),
            ("sock.__sk_common.skc_dport", 12),
            ("sock.__sk_common.skc_state", 18),
            ("sock.__sk_common.skc_net.net", 48),
            ("sk_buff._nfct", 104),
            ("nf_conn.tuplehash", 16),
            ("nf_conn.status", 128),
            ("nf_conntrack_tuple.dst.u.tcp.port", 36),
            ("sizeof nf_conntrack_tuple_hash", 56),
        ] {
            assert_eq!(btf.offset(path), Some(offset), "{}: {path}", row.kernel);
        }
        for (path, offset) in facts.offsets.iter() {
            let is_known = offset != MISSING || (path == "net.net_cookie" && row.cookie_is_counter);
            assert!(is_known, "{}: {path}", row.kernel);
        }
        assert_eq!(facts.strangers.iter().next(), None, "{}", row.kernel);
        let listed: Vec<_> = btf.enum_values("tcp_conntrack").take(9).map(|(name, _)| name).collect();
        assert_eq!(listed.last(), Some(&"TCP_CONNTRACK_CLOSE"), "{}", row.kernel);
    }
}

#[test]
fn functions_of_modules_are_found_in_their_module() {
    for row in FACTS.iter().filter(|row| !["5.10", "6.18"].contains(&row.kernel)) {
        let kernel = fixture(row.kernel);
        let (btf, modules) = (kernel.btf().expect("BTF"), kernel.modules().expect("BTF"));
        for (module, name, parameter, position, parameters) in [
            ("nf_conntrack", "__nf_conntrack_confirm", "sk_buff", 0, 1),
            ("nf_conntrack", "nf_conntrack_tcp_packet", "nf_conn", 0, 5),
            ("nf_conntrack", "nf_ct_delete", "nf_conn", 0, 3),
            ("nf_reject_ipv4", "nf_send_reset", "sk_buff", 2, 4),
            ("nf_reject_ipv6", "nf_send_reset6", "sk_buff", 2, 4),
        ] {
            assert_eq!(btf.function(name), None, "{}: {name}", row.kernel);
            let function = modules[module].function(name).expect(name);
            assert_eq!(function.pointer_to(parameter), Some(position), "{}: {name}", row.kernel);
            assert_eq!(function.parameters.len(), parameters, "{}: {name}", row.kernel);
            assert!(!function.is_ambiguous, "{}: {name}", row.kernel);
        }
        let destroy = modules["nf_conntrack"]
            .function("nf_conntrack_destroy")
            .expect("vmlinux has it");
        assert_eq!(destroy.pointer_to("nf_conntrack"), Some(0), "{}", row.kernel);
    }
}

#[test]
fn every_hook_has_a_symbol_in_every_kernel_of_this_processor() {
    for row in FACTS.iter().filter(|row| row.kernel != "6.12-arm64") {
        let kernel = fixture(row.kernel);
        for spec in HOOKS
            .iter()
            .filter(|spec| spec.ways.iter().all(|way| way.how != How::TpBtf))
        {
            let module = spec.module.filter(|_| row.kernel != "6.18");
            let functions = kernel.functions(spec.name);
            assert!(
                functions.contains(&(spec.name, module)),
                "{}: {functions:?}",
                row.kernel
            );
        }
    }
}

#[test]
fn the_plan_for_every_fixture_is_known() {
    let wishes = Wishes {
        export_all: true,
        conntrack_events: true,
        drops_per_second: 1000,
        resets_per_second: 20_000,
        slots: 65_536,
    };
    for (kernels, ladder, expected) in PLANS {
        for kernel in kernels {
            let facts = fixture(kernel).facts().expect("facts");
            let plan = plan(&facts, wishes, &Refusals::of(ladder));
            let others = plan
                .iter()
                .filter(|status| status.way.is_none_or(|way| way.how != How::TpBtf));
            let found: Vec<_> = others
                .map(|status| format!("{} {}", status.name, status.how.name()))
                .collect();
            assert_eq!(found, expected, "{kernel} {}", ladder.name());
        }
    }
    let planned = PLANS.iter().map(|(kernels, ..)| kernels.len()).sum::<usize>();
    assert_eq!(planned, FACTS.len() * Ladder::ALL.len());
}

#[test]
fn what_a_kernel_lacks_is_named_and_the_rest_is_planned() {
    let lacking = |forget: fn(&mut Wanted)| {
        let mut wanted = Wanted::new();
        forget(&mut wanted);
        let kernel = cut(&fixture("6.12"), &wanted).expect("cut");
        let plan = plan(&kernel.facts().expect("facts"), Wishes::default(), &Refusals::default());
        let absent: Vec<_> = plan.into_iter().filter(|status| status.how == How::Absent).collect();
        let reasons = absent
            .iter()
            .map(|status| format!("{}: {}", status.name, status.reason.as_deref().unwrap_or("")));
        reasons.collect::<Vec<_>>()
    };
    assert_eq!(lacking(|_| {}), [""; 0]);
    let without_field = lacking(|wanted| {
        wanted.paths.remove("sk_buff.network_header");
    });
    assert_eq!(without_field.len(), 3, "{without_field:?}");
    assert!(
        without_field
            .iter()
            .all(|reason| reason.ends_with("this kernel's BTF has no sk_buff.network_header"))
    );
    let without_tracepoint = lacking(|wanted| {
        wanted.tracepoints.remove("tcp_destroy_sock");
    });
    assert_eq!(
        without_tracepoint,
        ["tcp_destroy_sock: tp_btf: this kernel has no tracepoint tcp_destroy_sock"]
    );
    let without_reasons = lacking(|wanted| {
        wanted.enums.remove("skb_drop_reason");
    });
    assert_eq!(without_reasons, [""; 0], "those of netfilter are told by their place");
}

fn fixture(label: &str) -> Kernel {
    Kernel::read(&kernel::folder().join(label)).expect(label)
}

/// Everything that is asked, and the answer.
fn answers(btf: &Btf, wanted: &Wanted) -> BTreeMap<String, String> {
    let paths = wanted
        .paths
        .iter()
        .map(|path| (*path, format!("{:?}", btf.offset(path))));
    let enums = wanted.enums.iter().map(|name| {
        let values: Vec<_> = btf.enum_values(name).collect();
        (*name, format!("{values:?}"))
    });
    let tracepoints = wanted.tracepoints.iter();
    let tracepoints = tracepoints.map(|name| (*name, format!("{:?}", btf.tracepoint_args(name))));
    let functions = wanted.functions.iter().map(|name| {
        let function = btf.function(name).map(|function| Function { id: 0, ..function });
        (*name, format!("{function:?}"))
    });
    let all = paths.chain(enums).chain(tracepoints).chain(functions);
    all.map(|(name, answer)| (name.to_owned(), answer)).collect()
}

const RESET_REASON: &str = "sk_rst_reason";
