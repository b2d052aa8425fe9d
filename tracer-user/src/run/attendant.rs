//! What a shell does beside tracing while it is an agent: shows how it does, and obeys.

use super::names::Names;
use super::outputs::Outputs;
use super::ports::survey_ports;
use crate::board::{NamesHealth, SharedBoard};
use crate::enrich::source::CriState;
use crate::filter::Filter;
use crate::model::time::Timestamp;
use crate::serve::Health;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// What the agent is told while it runs.
#[derive(Debug)]
pub enum Command {
    /// Files that were moved are begun anew.
    Reopen,
    /// What can be changed is changed.
    Retune(Box<Retuned>),
}

/// What a running shell can be given anew.
#[derive(Clone, Debug)]
pub struct Retuned {
    pub hang_after: Duration,
    pub filter: Filter,
}

#[derive(Debug)]
pub struct Attendant {
    board: SharedBoard,
    health: Health,
    commands: Receiver<Command>,
    /// Inodes of the namespaces whose ports are shown; none: all.
    netns: Vec<u32>,
    surveyed: Option<Timestamp>,
    survey: Option<JoinHandle<()>>,
}

impl Attendant {
    pub fn new(board: SharedBoard, health: Health, commands: Receiver<Command>, netns: Vec<u32>) -> Self {
        Self {
            board,
            health,
            commands,
            netns,
            surveyed: None,
            survey: None,
        }
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

    /// Looks at the stolen ports again where somebody wants to see them, or now and then.
    fn survey(&mut self, now: Timestamp) {
        let age = self.surveyed.map(|at| now.since(at));
        let wanted = self.health.are_ports_wanted();
        let is_due = age.is_none_or(|age| age >= SURVEY_INTERVAL || wanted && age >= SURVEY_PAUSE);
        let is_running = self.survey.as_ref().is_some_and(|survey| !survey.is_finished());
        if !is_due || is_running {
            return;
        }
        self.surveyed = Some(now);
        let (board, netns) = (self.board.clone(), self.netns.clone());
        let survey = move || match survey_ports(&netns, false) {
            Ok(survey) => board.update(|board| board.replace_ports(survey.ports)),
            Err(error) => tracing::warn!(%error, "the stolen ports cannot be looked up"),
        };
        let thread = std::thread::Builder::new().name("ports".into()).spawn(survey);
        self.survey = thread
            .inspect_err(|error| tracing::warn!(%error, "the stolen ports cannot be looked up"))
            .ok();
    }
}

/// How old the list of stolen ports gets.
const SURVEY_INTERVAL: Duration = Duration::from_mins(15);
/// How old it is at least when it is made anew because somebody looks at it.
const SURVEY_PAUSE: Duration = Duration::from_secs(20);
