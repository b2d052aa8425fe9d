//! Where requests go.

use super::options::OtlpError;
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
        let wrong = || OtlpError::Endpoint(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(OtlpError::Https(text.to_owned())),
            _ => return Err(wrong()),
        }
        let authority = uri.authority().ok_or_else(wrong)?;
        if let Some((_, host)) = authority.as_str().rsplit_once('@') {
            return Err(OtlpError::Userinfo(format!("http://***@{host}")));
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
            parsed("http://otel.example/otlp/v1/logs?tenant=a"),
            ("otel.example".into(), 4318, "/otlp/v1/logs?tenant=a".into())
        );
    }

    #[test]
    fn what_cannot_be_sent_to_is_said_with_what_to_do() {
        let error = |text: &str| Endpoint::parse(text).unwrap_err().to_string();
        assert!(error("https://otel:4318").contains("collector on this node"));
        for wrong in ["", "otel", "otel:4318", "ftp://otel", "http://", "http://a b"] {
            assert!(error(wrong).contains("http://127.0.0.1:4318"), "{wrong}");
        }
        let secret = error("http://me:hunter2@otel:4318");
        assert!(secret.contains("headers") && !secret.contains("hunter2"), "{secret}");
    }
}
