//! As much of HTTP as the parts need.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, bail};

use super::served::address;

/// What `base` answers for `path`, if it answers with 200. HTTP/1.0: the answer ends with the connection.
pub(super) fn get(base: &str, path: &str, accept: &str) -> anyhow::Result<String> {
    let host = address(base);
    let mut stream = TcpStream::connect(host).with_context(|| format!("cannot connect to {host}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .with_context(|| format!("{base}{path}: no whole answer"))?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .with_context(|| format!("{base}{path}: no answer"))?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("{base}{path}: {status}\n{body}");
    }
    Ok(body.to_owned())
}

/// The characters of a query that a path may not hold.
pub(super) fn encoded(query: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    query.bytes().map(encode).collect()
}

const PATIENCE: Duration = Duration::from_secs(30);
