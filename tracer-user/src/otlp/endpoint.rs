//! Where requests go.

use super::options::OtlpError;
use crate::sink::text::HIDDEN;
use hyper::Uri;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// A name or an address, an IPv6 one without its brackets.
    pub host: String,
    pub port: u16,
    /// As the header `Host` has it.
    pub authority: String,
    /// With the query, if there is one.
    pub path: String,
}

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Self, OtlpError> {
        let wrong = || OtlpError::Endpoint(shown(text));
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(OtlpError::Https(shown(text))),
            _ => return Err(wrong()),
        }
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') {
            return Err(OtlpError::Userinfo(shown(text)));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong());
        }
        let path = match uri.path_and_query().map(hyper::http::uri::PathAndQuery::as_str) {
            None | Some("" | "/") => LOGS,
            Some(path) => path,
        };
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(PORT),
            authority: authority.as_str().to_owned(),
            path: path.to_owned(),
        })
    }
}

/// As an error may show it: without a user and a password.
fn shown(endpoint: &str) -> String {
    match endpoint.rsplit_once('@') {
        Some((_, rest)) => format!("{HIDDEN}@{rest}"),
        None => endpoint.to_owned(),
    }
}

/// Of OTLP's logs, by its specification.
const LOGS: &str = "/v1/logs";
/// Of OTLP over HTTP, by its specification; HTTP's own 80 is nobody's collector.
const PORT: u16 = 4318;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, u16, String) {
        let Endpoint { host, port, path, .. } = Endpoint::parse(text).unwrap();
        (host, port, path)
    }

    #[test]
    fn an_endpoint_without_a_path_gets_the_one_of_logs() {
        assert_eq!(
            parsed("http://localhost:4318"),
            ("localhost".into(), 4318, "/v1/logs".into())
        );
        assert_eq!(parsed("http://[::1]:99/"), ("::1".into(), 99, "/v1/logs".into()));
        assert_eq!(
            parsed("http://example.com/otlp/v1/logs?tenant=a"),
            ("example.com".into(), 4318, "/otlp/v1/logs?tenant=a".into())
        );
    }

    #[test]
    fn what_cannot_be_sent_to_is_said_with_what_to_do() {
        let error = |text: &str| Endpoint::parse(text).unwrap_err().to_string();
        assert!(error("https://example.com:4318").contains("collector on this node"));
        for wrong in ["", "otel", "otel:4318", "ftp://otel", "http://", "http://localhost b"] {
            assert!(error(wrong).contains("http://127.0.0.1:4318"), "{wrong}");
        }
        let secret = error("http://localhost:hunter2@example.com:4318");
        assert!(secret.contains("headers"), "{secret}");
        for url in [
            "http://localhost:hunter2@example.com",
            "localhost:hunter2@x",
            "http://localhost: hunter2@x",
        ] {
            assert!(!error(url).contains("hunter2"), "{url}");
        }
    }
}
