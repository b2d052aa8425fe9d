//! The part of the CRI that the kubelet runs pods with: messages and calls, of `runtime.v1`.

use std::collections::HashMap;
use std::path::Path;
use tokio::runtime::{Builder, Runtime};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// A connection, and what drives it.
pub(crate) struct Client {
    runtime: Runtime,
    grpc: Grpc<Channel>,
}

impl Client {
    pub(crate) fn new(socket: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap();
        let channel = runtime.block_on(endpoint.connect()).unwrap();
        let grpc = Grpc::new(channel);
        Self { runtime, grpc }
    }

    /// Starts a pod, as the kubelet does; its id.
    pub(crate) fn run_pod(&mut self, pod: &PodSandboxConfig) -> String {
        let config = Some(pod.clone());
        let answer: Id = self.call("RunPodSandbox", RunPodSandboxRequest { config });
        answer.id
    }

    /// Starts a container in it; its id.
    pub(crate) fn run_container(&mut self, pod: (&str, &PodSandboxConfig), name: &str, image: &str) -> String {
        let config = ContainerConfig {
            metadata: Some(Metadata {
                name: name.to_owned(),
                ..Metadata::default()
            }),
            image: Some(ImageSpec {
                image: image.to_owned(),
            }),
            labels: [("io.kubernetes.container.name".to_owned(), name.to_owned())].into(),
        };
        let request = CreateContainerRequest {
            pod_sandbox_id: pod.0.to_owned(),
            config: Some(config),
            sandbox_config: Some(pod.1.clone()),
        };
        let created: Id = self.call("CreateContainer", request);
        let id = created.id.clone();
        let _started: Nothing = self.call("StartContainer", created);
        id
    }

    pub(crate) fn remove_container(&mut self, id: &str) {
        let _removed: Nothing = self.call("RemoveContainer", Id { id: id.to_owned() });
    }

    pub(crate) fn remove_pod(&mut self, id: &str) {
        let _stopped: Nothing = self.call("StopPodSandbox", Id { id: id.to_owned() });
        let _removed: Nothing = self.call("RemovePodSandbox", Id { id: id.to_owned() });
    }

    /// The process of a container, as containerd tells it.
    pub(crate) fn pid(&mut self, id: &str) -> u32 {
        self.pid_by("ContainerStatus", id)
    }

    /// The process that the runtime itself runs in a pod.
    pub(crate) fn sandbox_pid(&mut self, id: &str) -> u32 {
        self.pid_by("PodSandboxStatus", id)
    }

    fn pid_by(&mut self, method: &str, id: &str) -> u32 {
        let verbose = Verbose {
            id: id.to_owned(),
            verbose: true,
        };
        let status: Info = self.call(method, verbose);
        let info: serde_json::Value = serde_json::from_str(&status.info["info"]).unwrap();
        u32::try_from(info["pid"].as_u64().unwrap()).unwrap()
    }

    fn call<Q, A>(&mut self, method: &str, question: Q) -> A
    where
        Q: prost::Message + Clone + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let path = PathAndQuery::try_from(format!("/runtime.v1.RuntimeService/{method}")).unwrap();
        loop {
            let answer = self.runtime.block_on(async {
                self.grpc.ready().await.unwrap();
                let codec = ProstCodec::<Q, A>::default();
                let request = tonic::Request::new(question.clone());
                self.grpc.unary(request, path.clone(), codec).await
            });
            match answer {
                Ok(answer) => return answer.into_inner(),
                // So containerd says for a moment after it has said that it is ready.
                Err(status) if status.message().contains("not initialized yet") => std::thread::yield_now(),
                Err(status) => panic!("{method}: {status}"),
            }
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PodSandboxConfig {
    #[prost(message, optional, tag = "1")]
    pub(crate) metadata: Option<Metadata>,
    #[prost(string, tag = "2")]
    pub(crate) hostname: String,
    #[prost(string, tag = "3")]
    pub(crate) log_directory: String,
    #[prost(map = "string, string", tag = "6")]
    pub(crate) labels: HashMap<String, String>,
    #[prost(message, optional, tag = "8")]
    pub(crate) linux: Option<LinuxPodSandboxConfig>,
}

/// Of a pod; of a container only the name is used.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Metadata {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) uid: String,
    #[prost(string, tag = "3")]
    pub(crate) namespace: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LinuxPodSandboxConfig {
    #[prost(string, tag = "1")]
    pub(crate) cgroup_parent: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RunPodSandboxRequest {
    #[prost(message, optional, tag = "1")]
    config: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<Metadata>,
    #[prost(message, optional, tag = "2")]
    image: Option<ImageSpec>,
    #[prost(map = "string, string", tag = "9")]
    labels: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CreateContainerRequest {
    #[prost(string, tag = "1")]
    pod_sandbox_id: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    sandbox_config: Option<PodSandboxConfig>,
}

/// Questions and answers that are no more than the id of a pod or a container.
#[derive(Clone, PartialEq, prost::Message)]
struct Id {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Verbose {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(bool, tag = "2")]
    verbose: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Info {
    #[prost(map = "string, string", tag = "2")]
    info: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Nothing {}
