//! Answers, with the headers that all of them have.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

pub(super) type Answer = Response<Full<Bytes>>;

/// An answer that nothing may keep, and in which a browser loads and runs nothing but the page's own style.
pub(super) fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// A line for a person or a log.
pub(super) fn text(status: StatusCode, line: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain; charset=utf-8", line)
}

pub(super) fn not_allowed() -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

/// The digest is of serve/page/style.css; a test says what it has to be.
const POLICY: &str = "default-src 'none'; style-src 'sha256-uIRZGUwb2xXgxNSu83VUHqYE9ANSZPxxNOPZPloP76k='; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::page::STYLE;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn the_policy_names_the_digest_of_the_style() {
        let script = "sha256sum | cut -c1-64 | tr a-f A-F | basenc --base16 --decode | base64 --wrap 0";
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(STYLE.as_bytes()).unwrap();
        let digest = String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap();
        assert!(POLICY.contains(&format!("'sha256-{digest}'")), "the digest is {digest}");
    }
}
