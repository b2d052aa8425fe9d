//! Names that want to be markup, other metrics, or to hide what is around them.

use std::sync::Arc;
use std::time::Duration;
use tracer_user::board::SharedBoard;
use tracer_user::model::finding::{Cause, Confidence, Connection, Culprit, Finding, RuleRole, Severity, State, Way};
use tracer_user::model::hook::How;
use tracer_user::model::identity::{Comm, Netns, Process};
use tracer_user::model::rules::{Backend, Component, Family, Located};
use tracer_user::model::time::Timestamp;
use tracer_user::model::translation::{Class, Destinations, Listening, Manner, Port, Space, Target, Translation};
use tracer_user::model::tuple::{Endpoint, Tuple};
use tracer_user::model::who::{Container, Identity, Pod, Subject};
use tracer_user::sink::jsont::EventName;
use tracer_user::sink::{Cost, Hello, Hook, HookStats, Loss, LossSource, ProbeCost, Rate, Record, Share, Stats};

pub(crate) fn tell(board: &SharedBoard, now: Timestamp) {
    // Where the test listens: a browser that obeys a name connects there.
    let trap = std::env::var("CONNTRACER_TRAP").unwrap_or_else(|_| "http://127.0.0.1:9".to_owned());
    let name = format!(
        "<script>document.title='PWNED'</script><img src='{trap}/img' onerror=\"document.title='PWNED'\">\
         \"'&\\\u{202e}dlrow\u{2028}\n\u{1b}[2J{{evil=\"1\"}} 1\nevil 1 {}",
        "x".repeat(10_000)
    );
    board.take(Record::Hello(&hello(&name, now)));
    board.take(Record::Stats(&stats(&name, now)));
    board.take(Record::Loss(&Loss {
        at: now,
        source: LossSource::Queue("a\"b\\c\nd".into()),
        cpu: None,
        lost: 7,
    }));
    for number in 0..FINDINGS {
        board.take(Record::Finding(&Finding {
            id: 9_000 + number,
            last: now - Duration::from_secs(number * 100),
            ..finding(&name, now)
        }));
    }
    let rule = located(&name);
    let listeners = [
        Listening::Nobody,
        Listening::Unknown("the sockets could not be read"),
        Listening::Elsewhere,
    ];
    let rows = listeners.map(|listening| port(&name, &rule, listening, now));
    board.update(|board| board.replace_ports(rows.into()));
}

fn hello(name: &str, at: Timestamp) -> Hello {
    let hook = |name: &str, how| Hook {
        name: name.to_owned().into(),
        how,
        reason: None,
        weakens: Vec::new(),
    };
    let absent = Hook {
        reason: Some(name.to_owned()),
        weakens: vec![Cause::RedirectToDeadPort, Cause::InvalidPacketReset],
        ..hook("tcp_send_reset", How::Absent)
    };
    Hello {
        at,
        session: "6fa459ea-ee8a-4ca4-894e-db77e160355e".to_owned(),
        host: Some("node-1".to_owned()),
        kernel: "6.18.44 \"quoted\" \\ \n".to_owned(),
        architecture: "x86_64".to_owned(),
        version: "0.1.0".to_owned(),
        hooks: vec![
            hook("inet_sock_set_state", How::TpBtf),
            hook("tcp_retransmit_skb", How::TpBtf),
            absent,
            hook(name, How::Kprobe),
        ],
        ..Hello::default()
    }
}

fn stats(name: &str, at: Timestamp) -> Stats {
    let hook = |name: &str| HookStats {
        name: name.to_owned().into(),
        runs: Some(12_345),
        nanos: Some(1_234_500),
        lost: 2,
        suppressed: 3,
        ..HookStats::default()
    };
    Stats {
        at,
        hooks: vec![hook("inet_sock_set_state"), hook(name)],
        tracked: 17,
        evictions: 1,
        cpu: Some(Duration::from_millis(120)),
        cost: cost(name),
        watermark: None,
    }
}

fn cost(name: &str) -> Cost {
    let rate = Rate {
        runs: 123,
        nanos: 12_345,
    };
    Cost {
        probes: Some(ProbeCost {
            measured: Duration::from_millis(100),
            clock: Some(Duration::from_nanos(57)),
            hooks: vec![(name.to_owned().into(), rate)],
        }),
        process: Some(Share::of(Duration::from_millis(2), Duration::from_secs(10))),
        ring_high_water: Some(4_096),
        ring_bytes: Some(1 << 20),
        resident_bytes: Some(12 << 20),
        map_bytes: Some(8 << 20),
        lost: vec![(EventName::Drop, 2)],
    }
}

fn located(name: &str) -> Located {
    Located {
        backend: Backend::IptablesNft,
        family: Family::Ip,
        table: "nat".into(),
        chain: name.into(),
        hook: None,
        index: Some(1),
        handle: Some(12),
        text: name.into(),
        comment: Some(name.into()),
        owner: Some(Component::Mirrord),
        packets: Some(3),
    }
}

fn endpoint(text: &str) -> Endpoint {
    text.parse::<std::net::SocketAddr>().expect("an address").into()
}

fn finding(name: &str, now: Timestamp) -> Finding {
    let netns = Netns {
        cookie: 4_097,
        inode: 4_026_532_281,
    };
    let enter: Arc<str> = format!("/run/netns/{name}").into();
    let connection = Connection {
        id: Some(1),
        tuple: Tuple::new(endpoint("10.77.0.2:35468"), endpoint("10.77.0.3:9000")),
        translated: Some(Tuple::new(endpoint("10.77.0.2:35468"), endpoint("127.0.0.1:37673"))),
        way: Way::Outbound,
        netns,
        enter: Some(Arc::clone(&enter)),
        owner: None,
        holder: Some(Process {
            pid: 7,
            comm: Comm::new(b"<b>\"&\\\x1b\xff\n"),
        }),
        state: None,
        started: Some(now - Duration::from_secs(9)),
        ended: None,
        syn_retransmits: 2,
        retransmits: 0,
        unacked: 0,
    };
    let culprit = Culprit::Rule {
        netns,
        enter: Some(enter),
        rule: Some(Box::new(located(name))),
        role: RuleRole::Translates,
        evidence: None,
    };
    Finding {
        id: 0,
        revision: 0,
        at: now,
        cause: Cause::RedirectToDeadPort,
        state: State::Open,
        supersedes: None,
        severity: Severity::Error,
        confidence: Confidence::Proved,
        connection: Some(connection.clone()),
        count: 1,
        hanging: 1,
        unexamined: 0,
        lost: 0,
        examples: vec![connection],
        victims: Vec::new(),
        culprits: vec![culprit],
        evidence: Vec::new(),
        considered: Vec::new(),
        names: [(Subject::Netns(netns), Arc::new(identity(name)))]
            .into_iter()
            .collect(),
        first: now - Duration::from_secs(9),
        last: now,
    }
}

/// Whatever a pod may be called.
fn identity(name: &str) -> Identity {
    Identity {
        executable: Some(name.into()),
        command_line: Some(name.into()),
        container: Some(Container {
            id: name.into(),
            runtime: None,
            name: Some(name.into()),
        }),
        pod: Some(Arc::new(Pod {
            name: Some(name.into()),
            namespace: Some(name.into()),
            ..Pod::default()
        })),
    }
}

fn port(name: &str, rule: &Located, listening: Listening, at: Timestamp) -> Port {
    let space = Space {
        names: vec![name.into()],
        ..Space::default()
    };
    Port {
        at,
        space: Arc::new(space),
        translation: Translation {
            class: Class::Stolen,
            manner: Manner::Redirect,
            family: Family::Ip,
            hook: None,
            protocol: Some(6),
            destinations: Destinations::Any,
            ports: vec![9_000..=9_000],
            target: Target {
                addresses: None,
                ports: Some(37_673..=37_673),
                local: true,
                unknown: None,
            },
            conditions: Vec::new(),
            more_conditions: false,
            rule: Some(rule.clone()),
            connections: Some(1),
            listening,
        },
    }
}

/// Enough for a page that no buffer of a connection takes whole.
const FINDINGS: u64 = 30;
