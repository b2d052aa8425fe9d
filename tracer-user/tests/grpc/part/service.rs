//! The one method, its messages, and a channel to call it by. No generated code: a message is its text.

use super::{Said, say, socket};
use bytes::{Buf, BufMut};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::http::{Request, Response};
use tonic::server::UnaryService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::service_fn;

/// One HTTP/2 connection, made at the first call and kept for good.
pub(super) fn channel(to: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{to}")).expect("an authority");
    endpoint.connect_with_connector_lazy(service_fn(move |_| async move {
        let stream = socket::connect(to).await?;
        say(&Said::Connected(socket::canonical(stream.local_addr()?)));
        io::Result::Ok(TokioIo::new(stream))
    }))
}

/// A call that its connection's end cuts off is made once more, as a retry policy for UNAVAILABLE does, of a service
/// config or of Istio by default. One that hangs is waited for.
pub(super) async fn call(channel: Channel, text: String) -> Result<String, Status> {
    match call_once(channel.clone(), text.clone()).await {
        Err(status) if matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled) => {
            call_once(channel, text).await
        }
        answered => answered,
    }
}

async fn call_once(channel: Channel, text: String) -> Result<String, Status> {
    let mut client = Grpc::new(channel);
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::from_static(METHOD);
    let answer = client.unary(tonic::Request::new(text), path, Text).await?;
    Ok(answer.into_inner())
}

/// What a server makes of one HTTP/2 request.
pub(super) async fn serve(
    request: Request<Body>,
    method: impl UnaryService<String, Response = String>,
) -> io::Result<Response<Body>> {
    if request.uri().path() != METHOD {
        return Ok(Status::unimplemented("there is one method").into_http());
    }
    Ok(tonic::server::Grpc::new(Text).unary(method, request).await)
}

struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let text = String::from_utf8(bytes.to_vec());
        text.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

const METHOD: &str = "/lab.Echo/Say";
