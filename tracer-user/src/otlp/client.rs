//! One request after the other over one connection: HTTP/1.1, and nothing else is decided here than what an answer means.

use super::delivery::Outcome;
use super::endpoint::Endpoint;
use super::options::{OtlpError, OtlpOptions};
use crate::sink::text::{Shown, cut};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use prost::Message;
use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;

pub(super) struct Client {
    endpoint: Endpoint,
    headers: HeaderMap,
    timeout: Duration,
    gzip: bool,
    /// Kept from the last request.
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// Why there was no whole answer.
type Broken = Box<dyn Error + Send + Sync>;

impl Client {
    pub(super) fn new(options: &OtlpOptions) -> Result<Self, OtlpError> {
        let endpoint = Endpoint::parse(&options.endpoint)?;
        let headers = headers(options, &endpoint)?;
        Ok(Self {
            endpoint,
            headers,
            timeout: options.timeout,
            gzip: options.gzip,
            connection: None,
        })
    }

    /// Comes to an end within the timeout.
    pub(super) async fn send(&mut self, request: &ExportLogsServiceRequest) -> Outcome {
        let timeout = self.timeout;
        match tokio::time::timeout(timeout, self.exchange(request)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(broken)) => failed(self.says(&chain(&*broken))),
            Err(_) => failed(self.says(&format!("no answer within {timeout:?}"))),
        }
    }

    async fn exchange(&mut self, request: &ExportLogsServiceRequest) -> Result<Outcome, Broken> {
        let mut connection = self.connection().await?;
        let response = connection.send_request(self.request(request)?).await?;
        let (head, body) = response.into_parts();
        let head = Response::from_parts(head, ());
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        // The head has said what became of the request, whether or not the rest arrives.
        let body = body.map(http_body_util::Collected::to_bytes);
        if body.is_ok() {
            self.connection = Some(connection);
        }
        Ok(self.outcome(&head, &body.unwrap_or_default()))
    }

    /// The kept one if it still stands.
    async fn connection(&mut self) -> Result<SendRequest<Full<Bytes>>, Broken> {
        if let Some(mut kept) = self.connection.take()
            && kept.ready().await.is_ok()
        {
            return Ok(kept);
        }
        let stream = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender, and what goes wrong there the sender tells.
        tokio::spawn(async move {
            let _: hyper::Result<()> = connection.await;
        });
        Ok(sender)
    }

    fn request(&self, request: &ExportLogsServiceRequest) -> Result<Request<Full<Bytes>>, Broken> {
        let body = request.encode_to_vec();
        let body = if self.gzip { compressed(&body)? } else { body };
        let mut built = Request::builder()
            .method(Method::POST)
            .uri(&self.endpoint.path)
            .body(Full::new(Bytes::from(body)))?;
        *built.headers_mut() = self.headers.clone();
        Ok(built)
    }

    /// By the specification of OTLP/HTTP, "Full Success" to "OTLP/HTTP Throttling".
    fn outcome(&self, head: &Response<()>, body: &[u8]) -> Outcome {
        let status = head.status();
        if status.is_success() {
            return taken(body);
        }
        let what = match refusal(body) {
            Some(message) => format!("answers {status}: {message}"),
            None => format!("answers {status}"),
        };
        let why = self.says(&what);
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Outcome::Failed {
                why,
                retry_after: head.headers().get(RETRY_AFTER).and_then(retry_after),
            },
            _ => Outcome::Refused(why),
        }
    }

    fn says(&self, what: &str) -> String {
        format!("OTLP endpoint {}: {what}", self.endpoint.authority)
    }
}

fn failed(why: String) -> Outcome {
    Outcome::Failed { why, retry_after: None }
}

/// Of an answer that says so. What is no message of OTLP says nothing against it.
fn taken(body: &[u8]) -> Outcome {
    let answer = ExportLogsServiceResponse::decode(body).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    Outcome::Delivered {
        rejected: u64::try_from(partial.rejected_log_records).unwrap_or(0),
        message: harmless(&partial.error_message),
    }
}

/// `google.rpc.Status`, of which only this is for people.
#[derive(Clone, PartialEq, Eq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
}

/// What a server says of its refusal.
fn refusal(body: &[u8]) -> Option<String> {
    harmless(&Status::decode(body).ok()?.message)
}

fn harmless(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| Shown(cut(text, LONGEST_MESSAGE).as_bytes()).to_string())
}

/// Seconds, or a date of HTTP.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let date = SystemTime::from(date.timestamp());
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

fn compressed(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn headers(options: &OtlpOptions, endpoint: &Endpoint) -> Result<HeaderMap, OtlpError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let wrong = |_| OtlpError::Header(name.clone());
        let key: HeaderName = name.parse().map_err(|_| OtlpError::Header(name.clone()))?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(wrong)?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    let host = HeaderValue::from_str(&endpoint.authority);
    headers.insert(HOST, host.map_err(|_| OtlpError::Endpoint(options.endpoint.clone()))?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("conntracer/", env!("CARGO_PKG_VERSION"))),
    );
    if options.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(headers)
}

/// An error with what it comes from.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// More of an answer is not read.
const LONGEST_ANSWER: usize = 64 * 1024;
/// More of a server's words is not shown.
const LONGEST_MESSAGE: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_say_seconds_or_a_date() {
        let parsed = |text: &'static str| retry_after(&HeaderValue::from_static(text));
        assert_eq!(parsed("120"), Some(Duration::from_mins(2)));
        assert_eq!(parsed("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let far = parsed("Fri, 06 Nov 2893 08:49:37 GMT").unwrap();
        assert!(far > Duration::from_hours(24 * 365));
        for wrong in ["soon", "-1", ""] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn headers_that_http_cannot_carry_are_named_without_their_value() {
        let mut options = OtlpOptions::new("http://localhost");
        options.headers = vec![("x".into(), super::super::SecretString::new("hunter2\n"))];
        let error = Client::new(&options).err().unwrap().to_string();
        assert!(error.contains("`x`") && !error.contains("hunter2"), "{error}");
    }
}
