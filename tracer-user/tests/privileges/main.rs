//! The program with each capability taken away: the effect is the one that docs/privileges.md tells. And what it gives
//! up by itself.
//!
//! The cases are made of the table itself ([`NEEDS`]): each of its rows for root and for another user.

#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

mod effect;
mod given_up;
#[path = "../schema/mod.rs"]
mod schema;
#[path = "../space/mod.rs"]
mod space;
mod tracer;
mod traffic;

use caps::{CapSet, Capability, CapsHashSet};
use effect::expected;
use libtest_mimic::{Arguments, Trial};
use std::env;
use std::process::ExitCode;
use tracer::{Tracer, User};
use tracer_user::confine::NEEDS;
use traffic::Traffic;

fn main() -> ExitCode {
    if env::args().nth(1).is_some_and(|first| first == given_up::FORBIDDEN) {
        return given_up::try_what_is_forbidden();
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "this test takes capabilities away: run it as root"
    );
    let mut trials = vec![
        Trial::test("each_thread_keeps_what_its_role_needs", || {
            given_up::each_thread_keeps_what_its_role_needs();
            Ok(())
        }),
        Trial::test("no_program_can_be_run_and_no_probe_loaded_by_any_thread", || {
            given_up::no_program_can_be_run_and_no_probe_loaded();
            Ok(())
        }),
        Trial::test(
            "without_net_broadcast_hello_says_that_conntrack_events_are_missing",
            || {
                without_broadcast();
                Ok(())
            },
        ),
    ];
    for user in [User::Root, User::Other] {
        trials.extend(NEEDS.iter().map(|need| {
            let capability = need.capability;
            let name = format!("{}_without_{capability}", user.name());
            Trial::test(name, move || {
                degraded(user, capability);
                Ok(())
            })
        }));
        for capability in [Capability::CAP_BPF, Capability::CAP_PERFMON] {
            trials.push(Trial::test(
                format!("{}_without_{capability}_and_its_stand_in", user.name()),
                move || {
                    refused(user, capability);
                    Ok(())
                },
            ));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// All of the table that this machine has, without some.
fn all_but(without: &[Capability]) -> CapsHashSet {
    let held = caps::read(None, CapSet::Permitted).unwrap();
    let needs = NEEDS.iter().map(|need| need.capability);
    needs
        .filter(|capability| held.contains(capability) && !without.contains(capability))
        .collect()
}

/// It traces, and finds what can be found without it.
fn degraded(user: User, without: Capability) {
    let traffic = Traffic::new();
    let netns = ["--netns", &traffic.space.name, "--hang-after", "1s"];
    let mut tracer = Tracer::start(&all_but(&[without]), user, &netns);
    let connections = traffic.begin();
    let expected = expected(user, without);
    let found = tracer.watch(&expected.findings);
    drop(connections);
    assert_eq!(found, expected.findings, "{}", tracer.stop());
    let said = &tracer.hello["options"]["missing-capabilities"];
    let missing = expected.is_missed.then(|| without.to_string());
    assert_eq!(said.as_str(), missing.as_deref());
    assert_eq!(tracer.tells_location(), expected.tells_location);
    let log = tracer.log();
    for line in log.lines().filter(|line| line.contains("without CAP_")) {
        assert!(expected.is_missed && line.contains(&without.to_string()), "{log}");
    }
}

/// It says in one line what it needs.
fn refused(user: User, without: Capability) {
    let left = all_but(&[without, Capability::CAP_SYS_ADMIN]);
    let output = tracer::output(&left, user, &["trace", "--for", "1ms"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(
        said.starts_with(&format!("conntracer: needs {without}: run as root")),
        "{said}"
    );
}

/// Where the hooks tell conntrack's changes themselves, nothing is missing.
fn without_broadcast() {
    let hows = |left: &CapsHashSet| {
        let tracer = Tracer::start(left, User::Root, &["--conntrack-events"]);
        let hooks = tracer.hello["hooks"].as_array().unwrap().clone();
        let by_netlink = hooks.iter().filter(|hook| hook["how"] == "netlink").count();
        let named = hooks.iter().filter(|hook| {
            hook["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("CAP_NET_BROADCAST"))
        });
        (by_netlink, named.count())
    };
    let (by_netlink, complaints) = hows(&all_but(&[]));
    assert_eq!(complaints, 0);
    let (left, complaints) = hows(&all_but(&[Capability::CAP_NET_BROADCAST]));
    assert_eq!(
        (left == 0, complaints > 0),
        (true, by_netlink > 0),
        "{left} {complaints}"
    );
}
