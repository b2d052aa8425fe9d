//! A node of its own: containerd in namespaces of its own, with its own root, state, socket, network and cgroups.

use crate::cri::{Client, LinuxPodSandboxConfig, Metadata, PodSandboxConfig};
use std::env;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Dropping it removes all of it.
pub(crate) struct Node {
    name: String,
    folder: PathBuf,
    /// Holds the mounts and the network that containerd sees.
    holder: Child,
    containerd: Option<Child>,
    client: Option<Client>,
    pods: Vec<String>,
}

impl Node {
    pub(crate) fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        assert!(
            rustix::process::geteuid().is_root(),
            "this test runs containers: run it as root"
        );
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("conntracer-node-{}-{number}", std::process::id());
        let folder = env::temp_dir().join(&name);
        fs::create_dir_all(folder.join("cni")).unwrap();
        fs::write(folder.join("config.toml"), settings(&folder)).unwrap();
        fs::write(folder.join("cni/10.conflist"), network(&folder)).unwrap();
        let mut node = Self {
            holder: hold(),
            name,
            folder,
            containerd: None,
            client: None,
            pods: Vec::new(),
        };
        node.start_containerd();
        node.import_image();
        node
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }

    pub(crate) fn start_containerd(&mut self) {
        let ready = self.folder.join("ready.sock");
        let notified = UnixDatagram::bind(&ready).unwrap();
        notified.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = fs::File::create(self.folder.join("containerd.log")).unwrap();
        let mut command = self.inside("containerd");
        command
            .arg("--config")
            .arg(self.folder.join("config.toml"))
            .env("NOTIFY_SOCKET", &ready)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.containerd = Some(command.spawn().unwrap());
        let mut text = [0; 256];
        let length = notified.recv(&mut text).expect("containerd says that it is ready");
        assert!(text[..length].starts_with(b"READY=1"));
        fs::remove_file(ready).unwrap();
        self.client = Some(Client::new(&self.socket()));
    }

    /// Its containers go on running.
    pub(crate) fn stop_containerd(&mut self) {
        self.client = None;
        let mut containerd = self.containerd.take().unwrap();
        containerd.kill().unwrap();
        containerd.wait().unwrap();
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        self.client.as_mut().unwrap()
    }

    /// A pod with the labels that the kubelet sets, and `app`; its id.
    pub(crate) fn run_pod(&mut self, pod: &str, uid: &str) -> (String, PodSandboxConfig) {
        let config = self.pod(pod, uid);
        let id = self.client().run_pod(&config);
        self.pods.push(id.clone());
        (id, config)
    }

    pub(crate) fn remove_pod(&mut self, id: &str) {
        self.pods.retain(|pod| pod != id);
        self.client().remove_pod(id);
    }

    fn pod(&self, name: &str, uid: &str) -> PodSandboxConfig {
        let labels = [
            ("io.kubernetes.pod.name", name),
            ("io.kubernetes.pod.namespace", "shop"),
            ("io.kubernetes.pod.uid", uid),
            ("app", "web \"and\" more"),
        ];
        PodSandboxConfig {
            metadata: Some(Metadata {
                name: name.to_owned(),
                uid: uid.to_owned(),
                namespace: "shop".to_owned(),
            }),
            hostname: name.to_owned(),
            log_directory: self.folder.join("logs").display().to_string(),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("/{}/kubepods/burstable/pod{uid}", self.name),
            }),
        }
    }

    fn import_image(&self) {
        let program = env::var_os("CONNTRACER_PAUSE").expect("CONNTRACER_PAUSE: cargo xtask test --parts containers");
        let image = self.folder.join("image");
        fs::create_dir(&image).unwrap();
        fs::copy(program, image.join("pause")).unwrap();
        run(Command::new("tar")
            .arg("-C")
            .arg(&image)
            .args(["-cf", "layer.tar", "pause"])
            .current_dir(&image));
        let digest = run(Command::new("sha256sum").arg(image.join("layer.tar")));
        let digest = digest.split_whitespace().next().unwrap();
        let config = serde_json::json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {"Entrypoint": ["/pause"]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
        });
        fs::write(image.join("config.json"), config.to_string()).unwrap();
        let manifest = serde_json::json!([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]);
        fs::write(image.join("manifest.json"), manifest.to_string()).unwrap();
        let files = ["-cf", "image.tar", "manifest.json", "config.json", "layer.tar"];
        run(Command::new("tar").args(files).current_dir(&image));
        let mut import = self.inside("ctr");
        import.arg("--address").arg(self.socket());
        import.args(["--namespace", "k8s.io", "images", "import", "--snapshotter", "native"]);
        run(import.arg(image.join("image.tar")));
    }

    /// A program that sees what containerd sees.
    pub(crate) fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--net", "--target", &self.holder.id().to_string(), program]);
        command
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("containerd.log")).unwrap_or_default();
            eprintln!("{log}");
        }
        if self.client.is_none() {
            self.start_containerd();
        }
        for pod in std::mem::take(&mut self.pods) {
            self.client().remove_pod(&pod);
        }
        self.stop_containerd();
        drop(self.holder.stdin.take());
        self.holder.wait().unwrap();
        for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap().map_while(Result::ok) {
            remove_cgroups(&hierarchy.path().join(&self.name));
        }
        remove_cgroups(&Path::new("/sys/fs/cgroup").join(&self.name));
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// A process with mounts and a network of its own. What is written to these folders is gone with it.
fn hold() -> Child {
    let script =
        "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && ip link set lo up && echo held && read line";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "sh", "-c", script]);
    let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut output = std::io::BufReader::new(holder.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut said).unwrap();
    assert_eq!(said, "held\n");
    holder
}

/// From within; the kernel removes what is in a cgroup's folder itself.
fn remove_cgroups(folder: &Path) {
    for inner in fs::read_dir(folder).into_iter().flatten().map_while(Result::ok) {
        if inner.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroups(&inner.path());
        }
    }
    // Most hierarchies do not have it.
    let _absent = fs::remove_dir(folder);
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn settings(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{IMAGE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{folder}/cni"
"#
    )
}

/// A veth pair to the node's own network, and an address.
fn network(folder: &Path) -> String {
    serde_json::json!({
        "cniVersion": "0.4.0",
        "name": "conntracer",
        "plugins": [{
            "type": "ptp",
            "ipam": {"type": "host-local", "subnet": "10.88.7.0/24", "dataDir": folder.join("addresses")},
        }],
    })
    .to_string()
}

pub(crate) const IMAGE: &str = "localhost/conntracer/pause:1";
/// What takes milliseconds may take this long on an overloaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
