//! The server as clients meet it, over real connections.

use super::*;
use crate::board::SharedBoard;
use crate::sink::{Record, sample};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn state() -> State {
    let board = SharedBoard::default();
    board.take(Record::Hello(&sample::hello()));
    for finding in sample::findings() {
        board.take(Record::Finding(&finding));
    }
    let health = Health::new(clock::now());
    health.set_unready(Vec::new());
    State { board, health }
}

/// Lets `ask` meet a server on a thread that both share.
fn served<T>(state: State, ask: impl AsyncFnOnce(SocketAddr) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = Server::bind(([127, 0, 0, 1], 0).into(), Vec::new()).unwrap();
        let address = server.address();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(server.run(state, async {
            let _: Result<(), _> = stopped.await;
        }));
        let answer = ask(address).await;
        drop(stop);
        task.await.unwrap();
        answer
    })
}

/// What comes back for these bytes; a connection that is reset ends it as well.
async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may have answered and gone before all of it is written.
    let _: Result<(), _> = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _: Result<usize, _> = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    send(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n"),
    )
    .await
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn every_path_has_its_answer_and_every_answer_its_headers() {
    served(state(), async |address| {
        for (path, expected, told) in [
            ("/", "200", "href=\"findings\""),
            ("/findings", "200", "Open findings"),
            ("/findings?refresh=off", "200", "Holds still"),
            ("/metrics", "200", "conntracer_findings_open"),
            ("/healthz", "200", "ok"),
            ("/readyz", "200", "ok"),
            ("/nothing", "404", "/findings"),
            ("/../etc/passwd", "404", "/findings"),
        ] {
            let answer = get(address, path, "").await;
            assert_eq!(status(&answer), expected, "{path}: {answer}");
            assert!(answer.contains(told), "{path}: {answer}");
            for header in [
                "content-security-policy: default-src 'none'",
                "x-content-type-options: nosniff",
                "referrer-policy: no-referrer",
                "cache-control: no-store",
                "connection: close",
            ] {
                assert!(answer.contains(header), "{path}: {header}: {answer}");
            }
        }
    });
}

#[test]
fn the_head_alone_is_as_long_and_has_no_body() {
    served(state(), async |address| {
        let answer = send(address, &format!("HEAD /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n")).await;
        assert_eq!(status(&answer), "200");
        assert!(
            answer.contains("content-length: 3\r\n") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    });
}

#[test]
fn other_requests_are_refused_by_name() {
    served(state(), async |address| {
        let own = format!("Host: {address}\r\n");
        let long = format!("GET / HTTP/1.1\r\n{own}X: {}\r\n\r\n", "x".repeat(100_000));
        let many = format!("GET / HTTP/1.1\r\n{own}{}\r\n", "A: b\r\n".repeat(100));
        for (request, expected) in [
            (
                format!("POST /metrics HTTP/1.1\r\n{own}Content-Length: 0\r\n\r\n"),
                "405",
            ),
            ("GET /findings HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), "421"),
            (long, "431"),
            (many, "431"),
            ("\0\x01\r\n\r\n".to_owned(), "400"),
        ] {
            let answer = send(address, &request).await;
            assert_eq!(status(&answer), expected, "{answer}");
        }
    });
}

#[test]
fn openmetrics_is_for_those_who_ask_for_it() {
    served(state(), async |address| {
        let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n";
        let new = get(address, "/metrics", accept).await;
        assert!(
            new.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
            "{new}"
        );
        assert!(new.ends_with("# EOF\n"), "{new}");
        for accept in ["", "Accept: */*\r\n", "Accept: text/plain\r\n"] {
            let old = get(address, "/metrics", accept).await;
            assert!(
                old.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
                "{old}"
            );
            assert!(!old.contains("# EOF"), "{old}");
        }
    });
}

#[test]
fn health_is_what_the_loop_says() {
    let state = state();
    let health = state.health.clone();
    served(state, async |address| {
        health.set_unready(vec!["the output cannot be written: disk full".to_owned()]);
        let answer = get(address, "/readyz", "").await;
        assert_eq!(status(&answer), "503");
        assert!(
            answer.ends_with("the output cannot be written: disk full\n"),
            "{answer}"
        );
        assert_eq!(status(&get(address, "/healthz", "").await), "200");
        health.beat(crate::model::time::Timestamp::default());
        assert_eq!(status(&get(address, "/healthz", "").await), "503");
    });
}

#[test]
fn idle_clients_leave_place_for_those_who_ask() {
    served(state(), async |address| {
        let mut idle = Vec::new();
        for _ in 0..300 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let asked = Instant::now();
        let answer = get(address, "/metrics", "").await;
        assert_eq!(status(&answer), "200", "{answer}");
        assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
        let cut = answer
            .lines()
            .find(|line| line.starts_with("conntracer_http_connections_cut_total{reason=\"crowded-out\"}"));
        let cut: u64 = cut.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert!((300 - 64..=300).contains(&cut), "{cut}");
    });
}

#[test]
fn clients_that_all_ask_at_once_are_all_answered() {
    served(state(), async |address| {
        let clients: Vec<_> = (0..300)
            .map(|_| tokio::spawn(async move { get(address, "/findings", "").await }))
            .collect();
        let mut answered = 0;
        for client in clients {
            answered += u32::from(status(&client.await.unwrap()) == "200");
        }
        assert_eq!(answered, 300);
    });
}

#[test]
fn a_client_that_does_not_read_holds_nobody_up() {
    served(state(), async |address| {
        let mut deaf = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /findings HTTP/1.1\r\nHost: {address}\r\n\r\n");
        deaf.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(status(&get(address, "/metrics", "").await), "200");
    });
}
