//! `conntracer ports` on the real kernel: rules of every back end, listeners of both families, connections that outlive
//! their rule, namespaces that go.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "the whole crate is tests")]

mod rulesets;
#[path = "../schema/mod.rs"]
mod schema;
mod space;

use rustix::net::sockopt::set_ipv6_v6only;
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use serde_json::Value;
use space::Space;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Output, Stdio};

fn conntracer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conntracer"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

/// The `stolen-port` lines of a run that ended well.
fn lines(output: &Output) -> Vec<Value> {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*errors), (Some(0), ""));
    let text = std::str::from_utf8(&output.stdout).expect("UTF-8");
    let mut lines: Vec<Value> = text.lines().map(schema::line).collect();
    assert_eq!(lines.remove(0)["type"], "hello");
    assert!(lines.iter().all(|line| line["type"] == "stolen-port"));
    lines
}

fn ports(space: &Space, more: &[&str]) -> Vec<Value> {
    lines(&conntracer(
        &[&["ports", "--json", "--netns", &space.name], more].concat(),
    ))
}

/// A listener on both families, or on IPv6 alone.
fn listen_v6(only: bool) -> std::os::fd::OwnedFd {
    let address: SocketAddr = "[::]:37673".parse().expect("an address");
    let socket = socket(AddressFamily::INET6, SocketType::STREAM, None).expect("a socket");
    set_ipv6_v6only(&socket, only).expect("an option");
    bind(&socket, &address).expect("a free port");
    listen(&socket, 1).expect("listens");
    socket
}

/// Redirects port 9000 of what comes in to 37673, once in each way.
const REDIRECTS: [(&str, &str, &str); 5] = [
    (
        "nft",
        "nft -f -",
        "table ip steal { chain pre { type nat hook prerouting priority -100; tcp dport 9000 redirect to :37673; }; }",
    ),
    (
        "nft",
        "nft -f -",
        "table inet steal { chain pre { type nat hook prerouting priority -100; tcp dport 9000 counter redirect to :37673; }; }",
    ),
    (
        "iptables-nft",
        "iptables-nft-restore",
        "*nat\n-A PREROUTING -p tcp --dport 9000 -j REDIRECT --to-ports 37673\nCOMMIT\n",
    ),
    (
        "iptables-legacy",
        "iptables-legacy-restore",
        "*nat\n-A PREROUTING -p tcp --dport 9000 -j REDIRECT --to-ports 37673\nCOMMIT\n",
    ),
    (
        "iptables-legacy",
        "ip6tables-legacy-restore",
        "*nat\n-A PREROUTING -p tcp --dport 9000 -j REDIRECT --to-ports 37673\nCOMMIT\n",
    ),
];

#[test]
fn a_redirect_is_told_by_every_back_end_with_who_listens() {
    let _alone = space::alone();
    for (backend, tool, rules) in REDIRECTS {
        let space = Space::new();
        space.run(tool, rules);
        let found = ports(&space, &[]);
        assert_eq!(found.len(), 1, "{tool}: {found:?}");
        let row = &found[0];
        assert_eq!(row["netns"]["name"], *space.name);
        assert_eq!(row["rule"]["backend"], backend, "{row}");
        let original = serde_json::json!({"ports": [{"first": 9000, "last": 9000}]});
        assert_eq!(
            (&row["class"], &row["hook"], &row["original"]),
            (&"stolen".into(), &"prerouting".into(), &original)
        );
        assert_eq!(
            (&row["protocol"], &row["target"]["port"]),
            (&"tcp".into(), &37673.into())
        );
        let text = row["rule"]["text"].as_str().expect("a text");
        assert!(text.contains("9000") && text.contains("37673"), "{text}");
        assert_eq!(
            (&row["listening"], row.get("listener")),
            (&false.into(), None),
            "{tool}"
        );

        let only_v6 = tool.starts_with("ip6");
        let held = space.inside(|| listen_v6(only_v6));
        let found = ports(&space, &[]);
        let listener = &found[0]["listener"];
        assert_eq!(listener["pid"], std::process::id(), "{tool}: {found:?}");
        assert_eq!(
            (&found[0]["listening"], &listener["address"]),
            (&true.into(), &"::".into())
        );
        drop(held);
        assert_eq!(ports(&space, &[])[0]["listening"], false);
    }
}

#[test]
fn a_listener_on_another_address_or_family_does_not_serve() {
    let _alone = space::alone();
    let space = Space::new();
    space.run("nft -f -", REDIRECTS[0].2);
    for (address, serves) in [
        ("0.0.0.0:37673", true),
        ("10.77.0.2:37673", true),
        ("127.0.0.1:37673", false),
        ("[fd77::2]:37673", false),
        ("0.0.0.0:37674", false),
    ] {
        let held = space.inside(|| TcpListener::bind(address).expect("a free port"));
        assert_eq!(ports(&space, &[])[0]["listening"], serves, "{address}");
        drop(held);
    }
    let held = space.inside(|| listen_v6(true));
    assert_eq!(ports(&space, &[])[0]["listening"], false);
    drop(held);
}

#[test]
fn datagrams_are_taken_by_sockets_of_udp() {
    let _alone = space::alone();
    let space = Space::new();
    let rules = "table ip dns { chain out { type nat hook output priority -100; udp dport 53 redirect to :15053; }; }";
    space.run("nft -f -", rules);
    let of_tcp = space.inside(|| TcpListener::bind("127.0.0.1:15053").expect("a free port"));
    let found = ports(&space, &[]);
    assert_eq!(
        (&found[0]["protocol"], &found[0]["listening"]),
        (&"udp".into(), &false.into())
    );
    let of_udp = space.inside(|| UdpSocket::bind("127.0.0.1:15053").expect("a free port"));
    assert_eq!(ports(&space, &[])[0]["listener"]["pid"], std::process::id());
    drop((of_tcp, of_udp));
}

#[test]
fn connections_are_counted_and_outlive_their_rule() {
    let _alone = space::alone();
    let space = Space::new();
    let table = "table ip steal { chain out { type nat hook output priority -100; tcp dport 9000 counter redirect to :37673; }; }";
    // Without a rule that needs it conntrack is off.
    space.run(
        "nft -f -",
        "table ip keep { chain in { type filter hook input priority 0; ct state invalid counter drop; }; }",
    );
    space.run("nft -f -", table);
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:37673").expect("a free port"));
    let client = space.inside(|| TcpStream::connect("10.77.0.9:9000").expect("redirected"));
    let found = ports(&space, &[]);
    assert_eq!(
        (&found[0]["connections"], &found[0]["packets"]),
        (&1.into(), &1.into()),
        "{found:?}"
    );

    space.run("nft delete table ip steal", "");
    let found = ports(&space, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    let row = &found[0];
    assert_eq!((row.get("rule"), row.get("owner"), row.get("hook")), (None, None, None));
    assert_eq!(
        (&row["connections"], &row["listener"]["pid"]),
        (&1.into(), &std::process::id().into())
    );
    assert_eq!(
        row["target"],
        serde_json::json!({"address": "127.0.0.1", "port": 37673, "local": true})
    );
    let original = serde_json::json!({"addresses": ["10.77.0.9"], "ports": [{"first": 9000, "last": 9000}]});
    assert_eq!(row["original"], original);
    let text = conntracer(&["ports", "--format", "text", "--netns", &space.name]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("no rule found"));

    drop((client, listener));
    space.run("conntrack -F", "");
    assert!(ports(&space, &[]).is_empty());
}

#[test]
fn the_table_says_what_there_is_and_that_there_is_nothing() {
    let _alone = space::alone();
    let space = Space::new();
    let text = |more: &[&str]| {
        let output = conntracer(&[&["ports", "--format", "text", "--netns", &space.name], more].concat());
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert_eq!(text(&[]), "no port is stolen in 1 namespace\n");
    assert_eq!(text(&["--all"]), "nothing is translated in 1 namespace\n");
    space.run("nft -f -", REDIRECTS[0].2);
    let told = text(&[]);
    assert!(
        told.contains("NOBODY") && told.contains("1 stolen port in 1 namespace; nobody listens behind 1"),
        "{told}"
    );
    assert!(told.contains("tcp dport 9000 redirect to :37673"), "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
    assert!(text(&["--color", "always"]).contains("\u{1b}[1m\u{1b}[31m"));
}

#[test]
fn a_namespace_that_goes_meanwhile_does_no_harm() {
    let _alone = space::alone();
    let stays = Space::new();
    stays.run("nft -f -", REDIRECTS[0].2);
    let go: Vec<_> = (0..12).map(|_| Space::new()).collect();
    for space in &go {
        space.run("nft -f -", REDIRECTS[1].2);
    }
    std::thread::scope(|scope| {
        let deleting = scope.spawn(|| go.iter().for_each(Space::delete));
        loop {
            let ended = deleting.is_finished();
            let found = lines(&conntracer(&["ports", "--json"]));
            let of = |space: &Space| found.iter().filter(|row| row["netns"]["name"] == *space.name).count();
            assert_eq!(of(&stays), 1);
            if ended {
                assert_eq!(go.iter().map(of).sum::<usize>(), 0);
                break;
            }
        }
    });
}

#[test]
fn wrong_namespaces_end_with_2() {
    let _alone = space::alone();
    for wrong in ["no-such-place", "4026531000", "pid:0"] {
        let output = conntracer(&["ports", "--netns", wrong]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        assert!(errors.lines().count() == 1 && errors.contains(wrong), "{errors}");
    }
}
