//! Answers each call with its text.

use super::{Said, say, service, socket};
use std::io;
use std::net::SocketAddr;
use tonic::codegen::BoxFuture;
use tonic::codegen::tokio_stream::wrappers::TcpListenerStream;
use tonic::server::UnaryService;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tower::service_fn;

pub(super) async fn run(on: SocketAddr) -> io::Result<()> {
    let listener = socket::listen(on)?;
    say(&Said::Listening);
    let incoming = TcpListenerStream::new(listener);
    Server::builder()
        .serve_with_incoming(service_fn(|request| service::serve(request, Echo)), incoming)
        .await
        .map_err(io::Error::other)
}

struct Echo;

impl UnaryService<String> for Echo {
    type Response = String;
    type Future = BoxFuture<Response<String>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(format!("echo:{}", request.into_inner()))) })
    }
}
