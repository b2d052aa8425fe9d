//! A receiver of OTLP that does what it is told, one answer after the other, and keeps what it was sent.

use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;
use std::collections::VecDeque;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What the receiver does with a request that it has read.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Taken,
    /// Taken but for so many.
    Partly(i64),
    /// Taken, in words that are no message of OTLP.
    Garbage,
    /// The status, and `Retry-After`.
    Status(u16, Option<&'static str>),
    Never,
    /// The connection is closed before any answer.
    Close,
    /// The head and half of the body, then the connection is closed.
    CloseWithin,
    /// Not HTTP.
    Noise,
}

/// What was sent, in its order.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub headers: hyper::HeaderMap,
    pub path: String,
    pub request: ExportLogsServiceRequest,
}

impl Received {
    pub(super) fn logs(&self) -> Vec<LogRecord> {
        let scopes = self.request.resource_logs.iter().flat_map(|of| &of.scope_logs);
        scopes.flat_map(|scope| scope.log_records.clone()).collect()
    }
}

pub(super) struct Receiver {
    pub address: SocketAddr,
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

struct Desk {
    script: Mutex<VecDeque<Answer>>,
    received: Mutex<Vec<Received>>,
    stop: Notify,
}

impl Receiver {
    /// Answers by the script, then takes everything.
    pub(super) fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, script)
    }

    pub(super) fn on(listener: std::net::TcpListener, script: impl IntoIterator<Item = Answer>) -> Self {
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Desk {
            script: Mutex::new(script.into_iter().collect()),
            received: Mutex::new(Vec::new()),
            stop: Notify::new(),
        });
        let own = Arc::clone(&desk);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                tokio::select! {
                    () = serve(listener, &own) => {}
                    () = own.stop.notified() => {}
                }
            });
        });
        Self {
            address,
            desk,
            thread: Some(thread),
        }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything so far.
    pub(super) fn received(&self) -> Vec<Received> {
        self.desk.received.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.desk.stop.notify_one();
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn serve(listener: std::net::TcpListener, desk: &Arc<Desk>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let desk = Arc::clone(desk);
        tokio::spawn(async move { converse(stream, desk).await });
    }
}

/// One connection, until an answer of the script breaks it.
async fn converse(stream: TcpStream, desk: Arc<Desk>) {
    let raw: Arc<Mutex<Option<&'static [u8]>>> = Arc::default();
    let last = Arc::clone(&raw);
    let service = service_fn(move |request| Box::pin(answer(request, Arc::clone(&desk), Arc::clone(&raw))));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A service that fails ends the connection; what is to be said in raw bytes is said then.
    let _: hyper::Result<()> = std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner();
    let bytes = last.lock().unwrap().take();
    if let Some(bytes) = bytes {
        let _: std::io::Result<()> = stream.write_all(bytes).await;
        let _: std::io::Result<()> = stream.shutdown().await;
    }
}

async fn answer(
    request: Request<Incoming>,
    desk: Arc<Desk>,
    raw: Arc<Mutex<Option<&'static [u8]>>>,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| "the client went away")?.to_bytes();
    let body = match head.headers.get("content-encoding") {
        Some(_) => {
            let mut plain = Vec::new();
            GzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
            plain.into()
        }
        None => body,
    };
    let received = Received {
        path: head.uri.to_string(),
        request: ExportLogsServiceRequest::decode(body).unwrap(),
        headers: head.headers,
    };
    desk.received.lock().unwrap().push(received);
    let script = desk.script.lock().unwrap().pop_front();
    let breaks_off = |bytes: &'static [u8]| {
        *raw.lock().unwrap() = Some(bytes);
        Err("as the script says")
    };
    match script.unwrap_or(Answer::Taken) {
        Answer::Taken => Ok(taken(0)),
        Answer::Partly(rejected) => Ok(taken(rejected)),
        Answer::Garbage => Ok(Response::new(Full::from("<html>\u{1b}[2J"))),
        Answer::Status(status, retry_after) => {
            let response = Response::builder().status(status);
            let response = match retry_after {
                Some(value) => response.header("retry-after", value),
                None => response,
            };
            // google.rpc.Status: field 2, "no\x07".
            Ok(response.body(Full::from(&b"\x12\x03no\x07"[..])).unwrap())
        }
        Answer::Never => std::future::pending().await,
        Answer::Close => breaks_off(b""),
        Answer::CloseWithin => breaks_off(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"),
        Answer::Noise => breaks_off(b"SSH-2.0-OpenSSH_9.2\r\n"),
    }
}

fn taken(rejected_log_records: i64) -> Response<Full<Bytes>> {
    let partial_success = (rejected_log_records > 0).then(|| ExportLogsPartialSuccess {
        rejected_log_records,
        error_message: "too old\n".to_owned(),
    });
    let response = ExportLogsServiceResponse { partial_success };
    Response::new(Full::from(response.encode_to_vec()))
}
