//! The agent: a shell that is shown, exported and told things while it runs.

use super::attendant::{Attendant, Command, Retuned};
use super::outputs::Outputs;
use super::{Options, Report, Shell, clock, ended};
use crate::board::SharedBoard;
use crate::failure::Failure;
use crate::serve::{Health, Server, State};
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::oneshot;

/// Everything that an agent is started with.
pub struct Agent {
    pub options: Options,
    /// `None`: it is not shown.
    pub listen: Option<SocketAddr>,
    /// Names by which clients may call it.
    pub hosts: Vec<String>,
    /// Called at SIGHUP; `None`: nothing can be changed, and why was told.
    pub reload: Box<dyn FnMut() -> Option<Retuned>>,
}

/// Runs until it is told to end. `open` makes the outputs once the probes are attached.
pub async fn agent(agent: Agent, open: impl FnOnce() -> Result<Outputs, Failure>) -> Result<Report, Failure> {
    let Agent {
        options,
        listen,
        hosts,
        reload,
    } = agent;
    let (board, health) = (SharedBoard::default(), Health::new(clock::now()));
    // Whoever asks early learns that it is not ready yet.
    let (over, shutdown) = oneshot::channel::<()>();
    if let Some(address) = listen {
        let server = Server::bind(address, hosts);
        let server = server.map_err(|error| Failure::Usage(format!("cannot listen on {address}: {error}")))?;
        tracing::info!(address = %server.address(), "serving metrics and findings");
        let state = State {
            board: board.clone(),
            health: health.clone(),
        };
        tokio::spawn(server.run(state, async {
            // The sender's end is what is waited for.
            let _: Result<(), _> = shutdown.await;
        }));
    }
    let (netns, names) = (options.filter.netns.clone(), options.names.clone());
    let hangup = signal(SignalKind::hangup()).map_err(Failure::system("SIGHUP cannot be caught"))?;
    let mut shell = Shell::start(options)?;
    let (commands, told) = mpsc::channel(COMMANDS_MAX);
    let attendant = Attendant::start(board.clone(), health, (commands.clone(), told), netns, names);
    shell.attend(attendant.map_err(Failure::system("the thread that looks up ports cannot start"))?);
    super::warn_of_missing_capabilities();
    // From here on this thread may do nothing that its outputs do not need.
    shell.confine();
    let outputs = Outputs {
        board: Some(board),
        ..open()?
    };
    let obey = obey(hangup, commands, reload);
    let report = tokio::select! {
        report = shell.run(outputs, ended(None), |_| ()) => report,
        never = obey => match never {},
    };
    drop(over);
    Ok(report)
}

/// Passes on what SIGHUP means, for as long as the agent runs.
async fn obey(
    mut hangup: Signal,
    commands: Sender<Command>,
    mut reload: Box<dyn FnMut() -> Option<Retuned>>,
) -> Infallible {
    while hangup.recv().await.is_some() {
        let retuned = reload().map(|retuned| Command::Retune(Box::new(retuned)));
        for command in std::iter::once(Command::Reopen).chain(retuned) {
            if commands.send(command).await.is_err() {
                return std::future::pending().await;
            }
        }
    }
    std::future::pending().await
}

const COMMANDS_MAX: usize = 4;
