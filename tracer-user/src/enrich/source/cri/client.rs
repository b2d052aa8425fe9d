//! One listing, over a connection of its own. No generated code: five methods are called by their paths.

use super::messages::{
    Container, ListContainersRequest, ListContainersResponse, ListPodSandboxRequest, ListPodSandboxResponse,
    PodSandbox, PodSandboxStatusRequest, PodSandboxStatusResponse, VersionRequest, VersionResponse,
};
use super::sockets::sockets;
use super::{AskError, CriSocket, Question};
use crate::enrich::directory::{Listed, Listing, Sandbox};
use crate::model::who::Pod;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// Asks the first of the sockets that answers; returns within some seconds whatever the others do.
pub(super) fn ask(question: &Question) -> Result<Listing, AskError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| AskError::Failed(format!("cannot ask the container runtime: {error}")))?;
    let mut result = Err(AskError::Absent);
    for socket in sockets(&question.socket) {
        let asked = runtime.block_on(async { timeout(TIME_MAX, list(&socket, question)).await });
        result = match asked {
            Ok(Ok(listing)) => return Ok(listing),
            // Docker's containerd, say, has the socket without the service.
            Ok(Err(status)) if status.code() == Code::Unimplemented && question.socket == CriSocket::Auto => result,
            Ok(Err(status)) => Err(failure(&socket, &reason(&status))),
            Err(_) => Err(failure(&socket, &format!("no answer in {TIME_MAX:?}"))),
        };
    }
    result
}

fn failure(socket: &Path, why: &str) -> AskError {
    AskError::Failed(format!("the container runtime at {} fails: {why}", socket.display()))
}

/// A status in one line; where the connection failed, its reason says more than the status.
fn reason(status: &Status) -> String {
    let mut reason = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let text = error.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        source = error.source();
    }
    let short = reason.get(..reason.floor_char_boundary(REASON_MAX)).unwrap_or_default();
    format!("{short} ({:?})", status.code())
}

async fn list(socket: &Path, question: &Question) -> Result<Listing, Status> {
    let mut client = Client::new(socket).await?;
    let version: VersionResponse = client.call("Version", VersionRequest {}).await?;
    let containers: ListContainersResponse = client.call("ListContainers", ListContainersRequest {}).await?;
    // Later than its containers, so that none is without its sandbox.
    let sandboxes: ListPodSandboxResponse = client.call("ListPodSandbox", ListPodSandboxRequest {}).await?;
    let mut listing = Listing {
        name: version.runtime_name,
        version: version.runtime_version,
        sandboxes: sandboxes
            .items
            .into_iter()
            .map(|item| sandbox(item, &question.labels))
            .collect(),
        containers: containers.containers.into_iter().map(listed).collect(),
    };
    let is_asked = |sandbox: &&mut Sandbox| sandbox.is_ready && !question.known.contains(&sandbox.id);
    for sandbox in listing.sandboxes.iter_mut().filter(is_asked).take(STATUSES_MAX) {
        sandbox.netns = Some(client.netns(&sandbox.id).await?);
    }
    Ok(listing)
}

fn sandbox(item: PodSandbox, wanted: &[String]) -> Sandbox {
    let metadata = item.metadata.unwrap_or_default();
    let label = |name: &String| Some((name.as_str().into(), item.labels.get(name)?.as_str().into()));
    Sandbox {
        id: item.id.into(),
        pod: Arc::new(Pod {
            name: known(metadata.name),
            namespace: known(metadata.namespace),
            uid: known(metadata.uid),
            labels: wanted.iter().filter_map(label).collect(),
        }),
        is_ready: item.state == 0,
        netns: None,
    }
}

fn listed(container: Container) -> Listed {
    Listed {
        id: container.id.into(),
        sandbox: container.pod_sandbox_id.into(),
        name: container.metadata.unwrap_or_default().name.into(),
    }
}

fn known(text: String) -> Option<Arc<str>> {
    Some(text).filter(|text| !text.is_empty()).map(Arc::from)
}

struct Client(Grpc<Channel>);

impl Client {
    async fn new(socket: &Path) -> Result<Self, Status> {
        let path = socket
            .to_str()
            .ok_or_else(|| Status::unavailable("its path is not UTF-8"))?;
        let endpoint = Endpoint::from_shared(format!("unix://{path}"));
        let endpoint = endpoint.map_err(|error| Status::from_error(error.into()))?;
        let channel = endpoint.connect().await;
        let channel = channel.map_err(|error| Status::from_error(error.into()))?;
        Ok(Self(Grpc::new(channel).max_decoding_message_size(ANSWER_MAX)))
    }

    async fn call<Q, A>(&mut self, method: &str, question: Q) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let ready = self.0.ready().await;
        ready.map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::try_from(format!("/runtime.v1.RuntimeService/{method}"));
        let path = path.map_err(|error| Status::from_error(error.into()))?;
        let answer = self
            .0
            .unary(Request::new(question), path, ProstCodec::<Q, A>::default())
            .await?;
        Ok(answer.into_inner())
    }

    /// The inode of a sandbox's network namespace, or 0: a sandbox that is gone by now has none.
    async fn netns(&mut self, id: &str) -> Result<u32, Status> {
        let question = PodSandboxStatusRequest {
            pod_sandbox_id: id.to_owned(),
            verbose: true,
        };
        let status: PodSandboxStatusResponse = match self.call("PodSandboxStatus", question).await {
            Err(status) if status.code() == Code::NotFound => return Ok(0),
            status => status?,
        };
        let info = status.info.get("info").map(|info| serde_json::from_str(info));
        Ok(info.and_then(Result::ok).and_then(|info| inode(&info)).unwrap_or(0))
    }
}

/// By the sandbox's process, or the path that its namespace is mounted at. The host's own is no pod's.
fn inode(info: &Value) -> Option<u32> {
    let pid = info.get("pid").and_then(Value::as_u64).filter(|pid| *pid != 0);
    let namespaces = info.pointer("/runtimeSpec/linux/namespaces").and_then(Value::as_array);
    let is_network = |namespace: &&Value| namespace.get("type").and_then(Value::as_str) == Some("network");
    let network = namespaces?.iter().find(is_network)?;
    let path = network.get("path").and_then(Value::as_str);
    let paths = [pid.map(|pid| format!("/proc/{pid}/ns/net")), path.map(str::to_owned)];
    let own = fs::metadata("/proc/self/ns/net").ok()?;
    let mut found = paths.into_iter().flatten().filter_map(|path| fs::metadata(path).ok());
    let found = found.find(|metadata| metadata.dev() == own.dev())?;
    u32::try_from(found.ino()).ok()
}

/// For one socket, with all calls.
const TIME_MAX: Duration = Duration::from_secs(3);
/// Of one answer; a node of 250 pods answers with some hundred kilobytes.
const ANSWER_MAX: usize = 4 * 1_024 * 1_024;
/// Sandboxes that are asked for their namespace with one listing; the others with the next.
const STATUSES_MAX: usize = 16;
/// What a runtime says of its failure may be long.
const REASON_MAX: usize = 300;
