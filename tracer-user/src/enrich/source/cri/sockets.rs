//! Where container runtimes have their sockets.

use super::CriSocket;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// The sockets to ask, in this order.
pub(super) fn sockets(wanted: &CriSocket) -> Vec<PathBuf> {
    match wanted {
        CriSocket::Off => Vec::new(),
        CriSocket::Path(path) => vec![path.clone()],
        CriSocket::Auto => ["", HOST]
            .into_iter()
            .flat_map(|root| USUAL.map(|path| PathBuf::from(format!("{root}{path}"))))
            .filter(|path| is_socket(path))
            .collect(),
    }
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// The host's files, seen from a container with the host's processes. Only paths without absolute links lead there, which
/// `/var/run` is.
const HOST: &str = "/proc/1/root";
const USUAL: [&str; 4] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/cri-dockerd.sock",
];
