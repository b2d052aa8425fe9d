//! What a shell does beside tracing while it is an agent: shows how it does, and obeys.

use super::names::Names;
use super::outputs::Outputs;
use super::ports::survey_ports;
use crate::board::{NamesHealth, SharedBoard};
use crate::confine::{self, Role};
use crate::enrich::source::{CriState, Namer, NamerOptions};
use crate::filter::Filter;
use crate::model::time::Timestamp;
use crate::model::translation::Port;
use crate::serve::Health;
use std::sync::mpsc::{self, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender};

/// What the agent is told while it runs.
#[derive(Debug)]
pub(super) enum Command {
    /// Files that were moved are begun anew.
    Reopen,
    /// What can be changed is changed.
    Retune(Box<Retuned>),
    /// The stolen ports were looked up: they are shown, and written now and then.
    Ports(Vec<Port>),
}

/// What a running shell can be given anew.
#[derive(Clone, Debug)]
pub struct Retuned {
    pub hang_after: Duration,
    pub filter: Filter,
}

#[derive(Debug)]
pub(super) struct Attendant {
    board: SharedBoard,
    health: Health,
    commands: Receiver<Command>,
    surveyed: Option<Timestamp>,
    /// When the stolen ports were last written.
    written: Option<Timestamp>,
    /// Asks for the stolen ports to be looked up; full while that goes on.
    surveys: SyncSender<()>,
}

impl Attendant {
    /// Starts the thread that looks up stolen ports of the namespaces with these inodes; none: of all. It keeps what the
    /// calling thread may give up afterwards.
    pub(super) fn start(
        board: SharedBoard,
        health: Health,
        (commands, told): (Sender<Command>, Receiver<Command>),
        netns: Vec<u32>,
        names: NamerOptions,
    ) -> std::io::Result<Self> {
        let (surveys, asked) = sync_channel(0);
        std::thread::Builder::new()
            .name("ports".into())
            .spawn(move || survey(&asked, &commands, &netns, &names))?;
        Ok(Self {
            board,
            health,
            commands: told,
            surveyed: None,
            written: None,
            surveys,
        })
    }

    /// The next thing to do; never, where nobody is left to tell one.
    pub(super) async fn command(&mut self) -> Command {
        match self.commands.recv().await {
            Some(command) => command,
            None => std::future::pending().await,
        }
    }

    /// Once a second.
    pub(super) fn tick(&mut self, now: Timestamp, outputs: &Outputs, names: &Names) {
        self.health.beat(now);
        self.health.set_unready(outputs.failures());
        let health = names.health();
        self.board.update(|board| {
            board.set_names(NamesHealth {
                answers: matches!(health.cri, CriState::Ok { .. }),
                kept: u64::try_from(health.entries).unwrap_or(u64::MAX),
                asked: health.asked,
                failed: health.failed,
            });
        });
        self.survey(now);
    }

    /// Whether the ports that were looked up now are to be written too: not each time that somebody looks at them.
    pub(super) fn writes_ports(&mut self, now: Timestamp) -> bool {
        let is_due = self
            .written
            .is_none_or(|at| now.since(at) + SURVEY_PAUSE >= SURVEY_INTERVAL);
        if is_due {
            self.written = Some(now);
        }
        is_due
    }

    /// Looks at the stolen ports again where somebody wants to see them, or now and then.
    fn survey(&mut self, now: Timestamp) {
        let age = self.surveyed.map(|at| now.since(at));
        let wanted = self.health.were_ports_wanted();
        let is_due = age.is_none_or(|age| age >= SURVEY_INTERVAL || wanted && age >= SURVEY_PAUSE);
        if is_due && self.surveys.try_send(()).is_ok() {
            self.surveyed = Some(now);
        }
    }
}

/// Looks the stolen ports up whenever it is asked to. Namespaces are visited: nothing else may run on this thread.
fn survey(asked: &mpsc::Receiver<()>, commands: &Sender<Command>, netns: &[u32], names: &NamerOptions) {
    confine::thread(Role::Inspect);
    let mut namer = Namer::new(names);
    while asked.recv().is_ok() {
        let survey = match survey_ports(netns, false, &mut namer) {
            Ok(survey) => survey,
            Err(error) => {
                tracing::warn!(%error, "the stolen ports cannot be looked up");
                continue;
            }
        };
        if commands.blocking_send(Command::Ports(survey.ports)).is_err() {
            return;
        }
    }
}

/// How old the list of stolen ports gets.
const SURVEY_INTERVAL: Duration = Duration::from_mins(15);
/// How old it is at least when it is made anew because somebody looks at it.
const SURVEY_PAUSE: Duration = Duration::from_secs(20);
