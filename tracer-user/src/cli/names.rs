//! Options of what is told of processes beside their number.

use crate::enrich::source::{CriSocket, NamerOptions};
use std::path::PathBuf;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct NamesArguments {
    /// Socket of the container runtime that knows the names of pods: auto, off, or its path
    #[arg(long, value_name = "SOCKET", default_value = "auto", value_parser = socket, hide_short_help = true)]
    cri_socket: CriSocket,
    /// Also tell this label of pods
    #[arg(long, value_name = "LABEL", hide_short_help = true)]
    pod_label: Vec<String>,
    /// Also tell command lines, without the passwords that can be recognised
    #[arg(long, hide_short_help = true)]
    command_lines: bool,
}

impl NamesArguments {
    pub(super) fn options(&self) -> NamerOptions {
        NamerOptions {
            cri_socket: self.cri_socket.clone(),
            labels: self.pod_label.clone(),
            command_line: self.command_lines,
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "clap calls it so")]
fn socket(text: &str) -> Result<CriSocket, String> {
    Ok(match text {
        "auto" => CriSocket::Auto,
        "off" => CriSocket::Off,
        path => CriSocket::Path(PathBuf::from(path)),
    })
}
