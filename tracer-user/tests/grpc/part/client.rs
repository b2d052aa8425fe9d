//! One channel, and a call for each line.

use super::{Said, say, service};
use std::io;
use std::net::SocketAddr;
use tokio::sync::mpsc::UnboundedReceiver;

pub(super) async fn run(to: SocketAddr, mut lines: UnboundedReceiver<String>) -> io::Result<()> {
    let channel = service::channel(to);
    while let Some(line) = lines.recv().await {
        match service::call(channel.clone(), line).await {
            Ok(answer) => say(&Said::Answer(answer)),
            Err(status) => say(&Said::Failed(status.to_string())),
        }
    }
    Ok(())
}
