//! The real Envoy as the sidecar, where `CONNTRACER_ENVOY` names its program. It is too large for every run.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::PATIENCE;

/// A running Envoy. Dropping it ends it.
pub(crate) struct Envoy {
    child: Child,
    settings: PathBuf,
}

pub(crate) fn program() -> Option<PathBuf> {
    env::var_os("CONNTRACER_ENVOY").map(PathBuf::from)
}

impl Envoy {
    /// In the namespace of a process, as the user that Istio's rules leave alone. Returns once it listens.
    pub(crate) fn start(program: PathBuf, joins: u32, uid: u32, on: SocketAddr) -> Self {
        let settings = env::temp_dir().join(format!("conntracer-grpc-envoy-{joins}.yaml"));
        let address = on.ip().to_string();
        fs::write(&settings, SETTINGS.replace("ADDRESS", &address)).expect("a file");
        let namespace = format!("--net=/proc/{joins}/ns/net");
        let uid = uid.to_string();
        // nsenter and setpriv become the program that they run.
        let child = Command::new("nsenter")
            .args([
                &namespace,
                "setpriv",
                "--reuid",
                &uid,
                "--regid",
                &uid,
                "--clear-groups",
            ])
            .arg(program)
            .args([
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "--log-level",
                "error",
                "-c",
            ])
            .arg(&settings)
            .stdin(Stdio::null())
            .spawn()
            .expect("nsenter runs");
        let envoy = Self { child, settings };
        let begun = Instant::now();
        let listens = || {
            let port = format!("sport = :{}", on.port());
            let output = Command::new("nsenter")
                .args([&namespace, "ss", "-Hltn", &port])
                .output();
            !output.expect("ss runs").stdout.is_empty()
        };
        while !listens() {
            assert!(begun.elapsed() < PATIENCE, "envoy does not listen");
            thread::sleep(Duration::from_millis(50));
        }
        envoy
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It has ended already if it failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.settings);
    }
}

/// HTTP/2 to the original destination, pooled; with Istio's default retries.
const SETTINGS: &str = r#"
static_resources:
  listeners:
  - name: outbound
    address: { socket_address: { address: "ADDRESS", port_value: 15001 } }
    listener_filters:
    - name: envoy.filters.listener.original_dst
      typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: outbound
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: "/" }
                route:
                  cluster: original
                  timeout: 0s
                  retry_policy: { retry_on: "connect-failure,refused-stream,unavailable,cancelled,reset", num_retries: 2 }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: original
    type: ORIGINAL_DST
    lb_policy: CLUSTER_PROVIDED
    connect_timeout: 5s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
"#;
