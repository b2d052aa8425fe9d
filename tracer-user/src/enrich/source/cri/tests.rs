//! Runtimes of every kind, behind real sockets.

use super::messages::{
    Container, ContainerMetadata, ListContainersRequest, ListContainersResponse, ListPodSandboxRequest,
    ListPodSandboxResponse, PodSandbox, PodSandboxMetadata, PodSandboxStatusRequest, PodSandboxStatusResponse,
    VersionRequest, VersionResponse,
};
use super::*;
use crate::inspect::source::now;
use prost::Message;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::codegen::tokio_stream::wrappers::UnixListenerStream;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// A socket of its own name, removed at the end.
struct Socket(PathBuf);

impl Socket {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("conntracer-cri-{}-{number}", std::process::id())))
    }

    fn cri(&self) -> Cri {
        let labels = ["app".to_owned(), "absent".to_owned()];
        Cri::new(&CriSocket::Path(self.0.clone()), &labels)
    }

    /// Serves each connection by a thread that ends with it.
    fn serve(&self, each: impl Fn(UnixStream) + Clone + Send + 'static) {
        let listener = UnixListener::bind(&self.0).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let each = each.clone();
                thread::spawn(move || each(stream));
            }
        });
    }

    /// Serves the CRI.
    fn serve_grpc(&self, how: Fake) {
        let listener = UnixListener::bind(&self.0).unwrap();
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::UnixListener::from_std(listener).unwrap();
                let service = service_fn(move |request| answer(how, request));
                let server = tonic::transport::Server::builder();
                server
                    .serve_with_incoming(service, UnixListenerStream::new(listener))
                    .await
            })
        });
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _absent = std::fs::remove_file(&self.0);
    }
}

/// How the runtime behaves.
#[derive(Clone, Copy, PartialEq)]
enum Fake {
    Well,
    Refusing,
    Huge,
    Unimplemented,
}

async fn answer(how: Fake, request: HttpRequest<Body>) -> io::Result<HttpResponse<Body>> {
    match how {
        Fake::Refusing => return Ok(Status::permission_denied("not for\nyou").into_http()),
        Fake::Unimplemented => return Ok(Status::unimplemented("unknown service runtime.v1").into_http()),
        Fake::Well | Fake::Huge => {}
    }
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    Ok(match &*method {
        "Version" => unary::<VersionRequest, _>(request, version()).await,
        "ListContainers" => unary::<ListContainersRequest, _>(request, containers(how)).await,
        "ListPodSandbox" => unary::<ListPodSandboxRequest, _>(request, sandboxes()).await,
        "PodSandboxStatus" => unary::<PodSandboxStatusRequest, _>(request, status()).await,
        _ => Status::unimplemented(method).into_http(),
    })
}

async fn unary<Q, A>(request: HttpRequest<Body>, answer: A) -> HttpResponse<Body>
where
    Q: Message + Default + Send + 'static,
    A: Message + Clone + Send + 'static,
{
    struct Constant<A>(A);
    impl<Q, A: Message + Clone + Send + 'static> UnaryService<Q> for Constant<A> {
        type Response = A;
        type Future = BoxFuture<Response<A>, Status>;

        fn call(&mut self, _request: Request<Q>) -> Self::Future {
            let answer = self.0.clone();
            Box::pin(async move { Ok(Response::new(answer)) })
        }
    }
    // The other way around than the client's: it encodes answers.
    let mut grpc = Grpc::new(ProstCodec::<A, Q>::default());
    grpc.unary(Constant(answer), request).await
}

fn version() -> VersionResponse {
    VersionResponse {
        runtime_name: "containerd".to_owned(),
        runtime_version: "1.2.3".to_owned(),
    }
}

fn containers(how: Fake) -> ListContainersResponse {
    let one = Container {
        id: "c1".to_owned(),
        pod_sandbox_id: "s1".to_owned(),
        metadata: Some(ContainerMetadata {
            name: if how == Fake::Huge {
                "x".repeat(5 << 20)
            } else {
                "nginx".to_owned()
            },
        }),
    };
    ListContainersResponse { containers: vec![one] }
}

fn sandboxes() -> ListPodSandboxResponse {
    ListPodSandboxResponse {
        items: vec![PodSandbox {
            id: "s1".to_owned(),
            metadata: Some(PodSandboxMetadata {
                name: "web-0".to_owned(),
                uid: "ab".to_owned(),
                namespace: "shop".to_owned(),
            }),
            state: 0,
            labels: [("app", "web"), ("other", "x")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        }],
    }
}

/// The sandbox is this process.
fn status() -> PodSandboxStatusResponse {
    let info = serde_json::json!({
        "pid": std::process::id(),
        "runtimeSpec": {"linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/nowhere"}]}},
    });
    PodSandboxStatusResponse {
        info: [("info".to_owned(), info.to_string())].into(),
    }
}

/// Asks until an answer came, good or bad, as the runtime's thread is slow where the machine is.
fn ask(cri: &mut Cri) -> Option<Listing> {
    let begin = Instant::now();
    let mut listing = cri.ask(HashSet::new(), now());
    while cri.answer.is_some() {
        assert!(begin.elapsed() < Duration::from_mins(1));
        thread::yield_now();
        listing = cri.collect(now());
    }
    listing
}

fn why(cri: &Cri) -> &str {
    match cri.state() {
        CriState::Failing { why } => why,
        state @ (CriState::Off | CriState::Unasked | CriState::Ok { .. }) => panic!("{state:?}"),
    }
}

#[test]
fn a_runtime_tells_its_containers_pods_and_namespaces() {
    let socket = Socket::new();
    socket.serve_grpc(Fake::Well);
    let mut cri = socket.cri();
    assert_eq!(*cri.state(), CriState::Unasked);
    let listing = ask(&mut cri).unwrap();
    let [sandbox] = &listing.sandboxes[..] else {
        panic!("{listing:?}");
    };
    assert_eq!((&*sandbox.id, sandbox.is_ready), ("s1", true));
    assert_eq!(sandbox.pod.name.as_deref(), Some("web-0"));
    assert_eq!(sandbox.pod.labels, [("app".into(), "web".into())]);
    let own = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
    assert_eq!(sandbox.netns.map(u64::from), Some(own));
    let names: Vec<_> = listing
        .containers
        .iter()
        .map(|one| (&*one.id, &*one.sandbox, &*one.name))
        .collect();
    assert_eq!(names, [("c1", "s1", "nginx")]);
    let (runtime, version) = ("containerd".to_owned(), "1.2.3".to_owned());
    assert_eq!(*cri.state(), CriState::Ok { runtime, version });
}

#[test]
fn it_is_asked_at_most_once_a_second() {
    let socket = Socket::new();
    socket.serve_grpc(Fake::Well);
    let mut cri = socket.cri();
    assert!(ask(&mut cri).is_some());
    let after = now();
    assert!(cri.ask(HashSet::new(), after).is_none() && cri.answer.is_none());
    assert!(!cri.pace.is_due(after) && cri.pace.is_due(after + Duration::from_secs(1)));
}

#[test]
fn a_socket_that_is_not_there_is_named() {
    let socket = Socket::new();
    let mut cri = socket.cri();
    assert!(ask(&mut cri).is_none());
    assert!(why(&cri).contains(&*socket.0.to_string_lossy()), "{}", why(&cri));
    assert!(why(&cri).contains("No such file"), "{}", why(&cri));
}

#[test]
fn a_runtime_that_never_answers_is_waited_for_only_for_a_moment() {
    let socket = Socket::new();
    socket.serve(|mut stream| {
        let _end = stream.read_to_end(&mut Vec::new());
    });
    let mut cri = socket.cri();
    let begin = Instant::now();
    assert!(cri.ask(HashSet::new(), now()).is_none());
    let first = begin.elapsed();
    assert!(first >= WAIT && first < WAIT + Duration::from_secs(2), "{first:?}");
    // While it is under way, nobody waits at all.
    let pending = cri.answer.is_some();
    let begin = Instant::now();
    assert!(cri.ask(HashSet::new(), now()).is_none());
    assert!(!pending || begin.elapsed() < WAIT, "{:?}", begin.elapsed());
    while cri.answer.is_some() {
        thread::yield_now();
        assert!(cri.collect(now()).is_none());
    }
    assert!(why(&cri).contains("no answer"), "{}", why(&cri));
}

#[test]
fn a_refusal_is_told_in_its_own_words() {
    let socket = Socket::new();
    socket.serve_grpc(Fake::Refusing);
    let mut cri = socket.cri();
    assert!(ask(&mut cri).is_none());
    assert!(why(&cri).contains("not for\nyou (PermissionDenied)"), "{}", why(&cri));
}

#[test]
fn garbage_is_a_failure() {
    let socket = Socket::new();
    socket.serve(|mut stream| {
        let _broken = stream.write_all(&[0xa5; 4_096]);
        let _end = stream.read_to_end(&mut Vec::new());
    });
    let mut cri = socket.cri();
    assert!(ask(&mut cri).is_none());
    assert!(why(&cri).contains("fails"), "{}", why(&cri));
}

#[test]
fn an_answer_larger_than_the_bound_is_refused() {
    let socket = Socket::new();
    socket.serve_grpc(Fake::Huge);
    let mut cri = socket.cri();
    assert!(ask(&mut cri).is_none());
    assert!(why(&cri).contains("OutOfRange"), "{}", why(&cri));
}

#[test]
fn a_socket_without_the_service_fails_where_it_was_named() {
    let socket = Socket::new();
    socket.serve_grpc(Fake::Unimplemented);
    let mut cri = socket.cri();
    assert!(ask(&mut cri).is_none());
    assert!(why(&cri).contains("Unimplemented"), "{}", why(&cri));
}

#[test]
fn nobody_is_asked_where_that_is_off() {
    let mut cri = Cri::new(&CriSocket::Off, &[]);
    assert!(cri.ask(HashSet::new(), now()).is_none());
    assert_eq!(*cri.state(), CriState::Off);
}
