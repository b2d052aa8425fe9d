//! A sidecar in the manner of Envoy: takes redirected connections and forwards their calls, all of one original
//! destination over one channel that it keeps for good.

use super::{Said, say, service, socket};
use rustix::net::sockopt;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpStream;
use tonic::codegen::BoxFuture;
use tonic::codegen::http::Request as HttpRequest;
use tonic::codegen::tokio_stream::StreamExt;
use tonic::codegen::tokio_stream::wrappers::TcpListenerStream;
use tonic::server::UnaryService;
use tonic::transport::server::TcpConnectInfo;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tower::service_fn;

pub(super) async fn run(on: SocketAddr) -> io::Result<()> {
    let listener = socket::listen(on)?;
    say(&Said::Listening);
    let pool = Arc::new(Pool::default());
    let entrance = Arc::clone(&pool);
    let incoming = TcpListenerStream::new(listener).map(move |stream| stream.and_then(|one| entrance.enter(one)));
    let forward = service_fn(move |request: HttpRequest<_>| {
        let channel = request
            .extensions()
            .get()
            .and_then(TcpConnectInfo::remote_addr)
            .and_then(|client| pool.channel(client));
        service::serve(request, Forward(channel))
    });
    Server::builder()
        .serve_with_incoming(forward, incoming)
        .await
        .map_err(io::Error::other)
}

#[derive(Default)]
struct Pool {
    /// Of each client's connection.
    destinations: Mutex<HashMap<SocketAddr, SocketAddr>>,
    channels: Mutex<HashMap<SocketAddr, Channel>>,
}

impl Pool {
    fn enter(&self, stream: TcpStream) -> io::Result<TcpStream> {
        let destination = if stream.local_addr()?.is_ipv4() {
            sockopt::ip_original_dst(&stream)?.into()
        } else {
            sockopt::ipv6_original_dst(&stream)?.into()
        };
        let mut destinations = self.destinations.lock().expect("nobody panicked");
        destinations.insert(stream.peer_addr()?, destination);
        Ok(stream)
    }

    fn channel(&self, client: SocketAddr) -> Option<Channel> {
        let destination = *self.destinations.lock().expect("nobody panicked").get(&client)?;
        let mut channels = self.channels.lock().expect("nobody panicked");
        let channel = channels
            .entry(destination)
            .or_insert_with(|| service::channel(destination));
        Some(channel.clone())
    }
}

struct Forward(Option<Channel>);

impl UnaryService<String> for Forward {
    type Response = String;
    type Future = BoxFuture<Response<String>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let channel = self.0.clone();
        Box::pin(async move {
            let channel = channel.ok_or_else(|| Status::internal("not a redirected connection"))?;
            service::call(channel, request.into_inner()).await.map(Response::new)
        })
    }
}
