//! Configurations as people write them, right and wrong.

use super::*;

fn error(text: &str) -> String {
    Config::read(text).expect_err(text).to_string()
}

#[test]
fn an_empty_file_has_every_default() {
    let config = Config::read("").expect("empty");
    assert_eq!(config, Config::default());
    assert_eq!(config.serve.listen.to_string(), "127.0.0.1:9469");
}

#[test]
fn every_key_is_read() {
    let text = r#"
        [trace]
        hang-after = "500ms"
        events = "all"
        conntrack-events = true
        netns = ["blue", "pid:1"]
        port = [9000]
        comm = ["curl"]
        cidr = ["10.0.0.0/8", "::1"]
        pod = ["shop/*"]
        container = ["app"]
        redact = ["addresses", "comments"]
        [identities]
        cri-socket = "/run/crio/crio.sock"
        labels = ["app.kubernetes.io/name"]
        command-line = true
        [serve]
        listen = "[::1]:80"
        hosts = ["node-7"]
        [output]
        stdout = true
        file = "/var/log/conntracer/events.jsonl"
        max-size = "1GiB"
        max-age = "2h"
        keep = 3
        compress = false
        floor = "0"
        [otlp]
        endpoint = "http://127.0.0.1:4318"
        headers-file = "/etc/conntracer/headers"
        timeout = "2s"
        gzip = false
    "#;
    let config = Config::read(text).expect("right");
    assert_eq!(config.output.max_size, Size(1 << 30));
    assert_eq!(config.trace.cidr.len(), 2);
    assert_eq!(
        config.identities.cri_socket,
        CriChoice::Socket("/run/crio/crio.sock".into())
    );
    assert_eq!(config.otlp.map(|otlp| otlp.timeout), Some(Duration::from_secs(2)));
}

#[test]
fn a_mistake_is_told_with_its_line_and_key() {
    for (text, told) in [
        (
            "[trace]\nhang-after = \"soon\"\n",
            "line 2, trace.hang-after: `soon` is no duration",
        ),
        (
            "[trace]\nhangafter = \"3s\"\n",
            "line 2, trace.hangafter: unknown field `hangafter`",
        ),
        ("\n\n[trase]\n", "line 3, trase: unknown field `trase`"),
        ("[trace]\nport = [9000, 99999]\n", "line 2, trace.port: "),
        ("[trace]\nport = [\n  9000,\n  -1,\n]\n", "line 4, trace: "),
        (
            "[output]\nmax-size = \"big\"\n",
            "line 2, output.max-size: `big` is no size",
        ),
        ("[output]\nkeep = \"8\"\n", "line 2, output.keep: a text stands here"),
        (
            "[serve]\nlisten = \"9469\"\n",
            "line 2, serve.listen: `9469` is no address with a port",
        ),
        (
            "[trace]\ncidr = [\"10.0.0.0/33\"]\n",
            "line 2, trace.cidr: `10.0.0.0/33` is no address prefix",
        ),
        (
            "[trace]\nevents = \"some\"\n",
            "line 2, trace.events: unknown variant `some`",
        ),
        (
            "[identities]\ncri-socket = \"crio.sock\"\n",
            "line 2, identities.cri-socket: `crio.sock` is no socket",
        ),
        ("[otlp]\n", "line 1, otlp: missing field `endpoint`"),
        ("[trace\n", "line 1"),
        (
            "[output]\nmax-size = \"1KiB\"\n",
            "output.max-size: a file is at least 1MiB",
        ),
        ("a = 1\na = 2\n", "line 2, a: duplicate key"),
    ] {
        let error = error(text);
        assert!(error.starts_with(told), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_secret_at_the_wrong_place_is_not_repeated() {
    for text in [
        "[otlp]\nendpoint = \"http://127.0.0.1\"\nheaders = { Authorization = \"Bearer s3cret\" }\n",
        "[otlp]\nendpoint = \"http://127.0.0.1\"\ngzip = \"s3cret\"\n",
        "[output]\nkeep = \"s3cret\"\n",
    ] {
        let error = error(text);
        assert!(!error.contains("s3cret"), "{error}");
        assert!(error.contains("line "), "{error}");
    }
    assert!(error("[otlp]\nendpoint = \"x\"\nheaders = {}\n").contains("headers-file"));
}

#[test]
fn a_reload_says_what_it_can_change_and_what_it_cannot() {
    let old = Config::default();
    let mut new = old.clone();
    assert_eq!(Changes::between(&old, &new), Changes::default());
    new.trace.hang_after = Duration::from_secs(9);
    new.serve.listen = Listen::Off;
    let changes = Changes::between(&old, &new);
    assert_eq!(
        (changes.applied, changes.deferred),
        (vec!["trace.hang-after"], vec!["serve"])
    );
}

/// Every key of the file, by its documented name.
const KEYS: &[&str] = &[
    "trace.hang-after",
    "trace.events",
    "trace.conntrack-events",
    "trace.netns",
    "trace.port",
    "trace.comm",
    "trace.cidr",
    "trace.pod",
    "trace.container",
    "trace.redact",
    "identities.cri-socket",
    "identities.labels",
    "identities.command-line",
    "serve.listen",
    "serve.hosts",
    "output.stdout",
    "output.file",
    "output.max-size",
    "output.max-age",
    "output.keep",
    "output.compress",
    "output.floor",
    "otlp.endpoint",
    "otlp.headers-file",
    "otlp.timeout",
    "otlp.gzip",
];

#[test]
fn the_documentation_names_the_keys_that_there_are_and_no_others() {
    let text = include_str!("../../../docs/agent.md");
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let documented: Vec<_> = rows.map(|(key, _)| key).collect();
    assert_eq!(documented, KEYS);
    for key in KEYS {
        let (table, key) = key.split_once('.').expect("a key in a table");
        // A value of no key's type: the error is about it, not about the key.
        let error = error(&format!("[{table}]\n{key} = {{}}\n"));
        assert!(!error.contains("unknown field"), "{key}: {error}");
    }
}
