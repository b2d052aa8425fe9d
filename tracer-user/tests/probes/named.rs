//! The hooks by name: what they tell that no tracepoint does. Where a kernel takes neither trampolines nor kprobes they
//! are absent, with a reason; in a cell of the matrix that has them they must run.

use crate::scene::{self, Scene};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use tracer_common::stat::Hook;
use tracer_user::kernel::load::Settings;
use tracer_user::model::event::{Change, ConntrackChange, Event, EventKind, RstMaker};
use tracer_user::model::hook::How;
use tracer_user::model::tcp::ConntrackState;

/// A rule that needs conntrack makes the namespace track.
const TRACK: &str = "iptables -A INPUT -p udp -m conntrack --ctstate INVALID -j DROP";

/// `false`, and a line that says why, where the hook is rightly absent.
#[expect(clippy::print_stdout, reason = "what a kernel cannot show is said")]
fn has(scene: &mut Scene, hook: Hook) -> bool {
    let how = scene.how(hook);
    if matches!(how, How::Fentry | How::Fexit | How::Kprobe | How::Kretprobe) {
        return true;
    }
    let reason = scene.probes().hooks().iter().find(|status| status.hook == hook);
    let reason = reason.and_then(|status| status.reason.clone()).expect("a reason");
    assert!(!scene::must_have_named_hooks(), "{hook:?} is absent: {reason}");
    println!("not on this kernel: {hook:?}: {reason}");
    false
}

/// A namespace with conntrack, whose module may have come with the rule.
fn tracking(conntrack_events: bool) -> Scene {
    let mut scene = Scene::with(&Settings {
        conntrack_events,
        ..Settings::default()
    });
    scene::run(TRACK);
    scene.probes().follow_modules();
    scene
}

fn changes(events: &[Event]) -> Vec<ConntrackChange> {
    let mut changes = Vec::new();
    for event in events {
        if let EventKind::Conntrack(changed) = event.kind {
            changes.push(changed);
        }
    }
    changes
}

fn is_failure(event: &Event) -> bool {
    matches!(event.kind, EventKind::Failed { .. })
}

#[test]
fn every_program_passes_the_verifier_also_those_without_use_here() {
    for (conntrack_events, export_all, filters) in [(false, false, 0), (true, true, 0), (true, true, u32::MAX)] {
        let mut scene = Scene::with(&Settings {
            conntrack_events,
            export_all,
            filters,
            log_level: 4,
            ..Settings::default()
        });
        assert_eq!(scene.probes().refused_by_the_verifier(), []);
    }
}

#[test]
fn a_connect_has_its_source_port_at_once() {
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let mut scene = Scene::new(true);
        if !has(&mut scene, Hook::Connect) {
            return;
        }
        let listener = TcpListener::bind(local).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let events = scene.until("the handshake", |event| matches!(event.kind, EventKind::Established));
        let connects: Vec<_> = events.iter().filter(|event| event.kind == EventKind::Connect).collect();
        let [connect] = &connects[..] else {
            panic!("{events:#?}")
        };
        let source = connect.tuple.unwrap().source;
        assert_eq!((source.address, source.port), {
            let address = client.local_addr().unwrap();
            (address.ip(), address.port())
        });
        assert_eq!(connect.owner.unwrap().pid, std::process::id());
        assert_eq!(connect.socket, events.last().unwrap().socket);
    }
}

#[test]
fn a_rules_reset_is_seen_where_it_is_made() {
    for (iptables, local) in [("iptables", "127.0.0.1"), ("ip6tables", "[::1]")] {
        let mut scene = Scene::new(false);
        let hook = if iptables == "iptables" {
            Hook::RuleReset4
        } else {
            Hook::RuleReset6
        };
        scene::run(&format!(
            "{iptables} -A INPUT -p tcp --dport 7 -j REJECT --reject-with tcp-reset"
        ));
        // The rule may have loaded the module.
        scene.probes().follow_modules();
        if !has(&mut scene, hook) {
            return;
        }
        TcpStream::connect(format!("{local}:7")).unwrap_err();
        let events = scene.until("the failure", is_failure);
        let mut made = Vec::new();
        for event in &events {
            if let EventKind::RstSent(sent) = &event.kind {
                made.push((sent.maker, sent.packet.unwrap().tuple));
            }
        }
        assert_eq!(
            made,
            [(RstMaker::Netfilter, events.last().unwrap().tuple.unwrap())],
            "{events:#?}"
        );
    }
}

#[test]
fn every_change_of_an_entry_is_told_once_where_that_is_asked_for() {
    let mut scene = tracking(true);
    if !has(&mut scene, Hook::ConntrackUpdate) {
        assert!(scene.probes().needs_ctnetlink());
        return;
    }
    assert!(!scene.probes().needs_ctnetlink());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap();
    scene::run("conntrack -D -p tcp");
    let events = scene.until("the deletion", is_deletion);
    let seen: Vec<_> = changes(&events)
        .iter()
        .map(|changed| (changed.change, changed.entry.state.unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            (Change::New, ConntrackState::SynSent),
            (Change::Update, ConntrackState::SynRecv),
            (Change::Update, ConntrackState::Established),
            (Change::Destroy, ConntrackState::Established),
        ],
        "{events:#?}"
    );
    let [new, .., destroyed] = &changes(&events)[..] else {
        unreachable!()
    };
    assert_eq!(new.entry.original.source.port, client.local_addr().unwrap().port());
    assert_eq!(destroyed.entry.original, new.entry.original);
    drop((client, server));
}

#[test]
fn a_refused_connects_entry_ends_with_its_end() {
    let mut scene = tracking(true);
    if !has(&mut scene, Hook::ConntrackUpdate) {
        return;
    }
    scene::refuse("127.0.0.1");
    let mut events = scene.until("the deletion", is_deletion);
    // A second one shows that nothing came behind the first.
    scene::refuse("127.0.0.1");
    events.extend(scene.until("the second deletion", is_deletion));
    let seen: Vec<_> = changes(&events).iter().map(|changed| changed.change).collect();
    assert_eq!(
        seen,
        [Change::New, Change::Destroy, Change::New, Change::Destroy],
        "{events:#?}"
    );
}

#[test]
fn by_default_only_a_living_entrys_end_and_a_mid_flow_pickup_are_told() {
    let mut scene = tracking(false);
    if !has(&mut scene, Hook::ConntrackDestroy) || !has(&mut scene, Hook::ConntrackNew) {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let deleted = Command::new("conntrack").args(["-D", "-p", "tcp"]).output().unwrap();
    assert!(deleted.status.success(), "{deleted:?}");
    client.write_all(b"x").unwrap();
    server.read_exact(&mut [0]).unwrap();
    let events = scene.until("the pickup", |event| {
        matches!(
            event.kind,
            EventKind::Conntrack(ConntrackChange {
                change: Change::New,
                ..
            })
        )
    });
    let [destroyed, new] = &changes(&events)[..] else {
        panic!("{events:#?}")
    };
    assert_eq!((destroyed.change, new.change), (Change::Destroy, Change::New));
    assert_eq!(new.entry.state, Some(ConntrackState::Established));
    assert_eq!(new.entry.original, destroyed.entry.original);
    let by = destroyed.by.expect("a process asked for it");
    assert_eq!(by.comm.as_bytes(), b"conntrack");
    // It ends in order: nothing to tell.
    drop((client, server));
    let marker = scene::refuse("127.0.0.1");
    let events = scene.until("the marker", is_failure);
    assert!(changes(&events).is_empty(), "{marker} {events:#?}");
}

fn is_deletion(event: &Event) -> bool {
    matches!(
        event.kind,
        EventKind::Conntrack(ConntrackChange {
            change: Change::Destroy,
            ..
        })
    )
}
