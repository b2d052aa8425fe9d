//! The inspector: two threads of its own that take inquiries (one of them only sweeps), look, and send answers.
//!
//! The only part of `inspect` that does I/O. Never a tokio worker: the thread visits other namespaces, and one that
//! cannot come back ends and is replaced. The one that starts it never leaves its namespace, so a new one begins at home.

mod allowance;
mod aspect;
mod bpf;
mod census;
mod clock;
mod examiner;
pub(crate) mod netlink;
pub(crate) mod netns;
mod paths;
pub(crate) mod probe;
pub(crate) mod process;
mod raw;
mod reader;
mod rulebook;
pub(crate) mod rules;
mod sweep;
mod through;
mod walking;
pub mod xt;
mod zones;

pub(crate) use clock::now;
pub use examiner::Examiner;
pub use reader::{ReadError, Reader};

use crate::confine::{self, Role};
use crate::model::inquiry::{Answer, Inquiry, Question};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use tokio::sync::mpsc;

/// Where inquiries go in. The threads end when it is dropped, or when nobody takes the answers any more.
#[derive(Debug)]
pub struct Inspector {
    inquiries: SyncSender<Inquiry>,
    /// What visits every namespace: the questions about one connection do not wait behind it.
    sweeps: SyncSender<Inquiry>,
}

impl Inspector {
    /// Answers go into `answers`.
    pub fn start(answers: mpsc::Sender<Answer>) -> io::Result<Self> {
        // What would fail on the threads fails here, where somebody is told.
        Examiner::new()?;
        let inquiries = start_thread("inspect", answers.clone())?;
        let sweeps = start_thread("sweep", answers)?;
        Ok(Self { inquiries, sweeps })
    }

    /// Takes an inquiry, or gives it back where too many wait (or nobody takes answers).
    pub fn ask(&self, inquiry: Inquiry) -> Result<(), Box<Inquiry>> {
        let queue = match inquiry.question {
            Question::Sweep | Question::Stalled => &self.sweeps,
            Question::Connection { .. } | Question::Link { .. } | Question::Walk { .. } | Question::Who(_) => {
                &self.inquiries
            }
        };
        queue.try_send(inquiry).map_err(|error| match error {
            TrySendError::Full(inquiry) | TrySendError::Disconnected(inquiry) => Box::new(inquiry),
        })
    }
}

/// Starts the thread that starts an inspecting thread of this name, and another one whenever it could not come home.
fn start_thread(name: &'static str, answers: mpsc::Sender<Answer>) -> io::Result<SyncSender<Inquiry>> {
    let (inquiries, mut inbox) = sync_channel(INQUIRIES_MAX);
    thread::Builder::new().name(format!("{name}-home")).spawn(move || {
        confine::thread(Role::Inspect);
        while let Next::Again = run(name, &mut inbox, &answers) {
            tracing::error!("the inspecting thread is started again");
        }
    })?;
    Ok(inquiries)
}

enum Next {
    Again,
    End,
}

/// Runs one inspecting thread until it ends.
fn run(name: &str, inbox: &mut Receiver<Inquiry>, answers: &mpsc::Sender<Answer>) -> Next {
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name(name.into())
            .spawn_scoped(scope, move || serve(inbox, answers));
        match worker.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(next)) => next,
            Ok(Err(_)) => Next::Again,
            Err(error) => {
                tracing::error!(%error, "cannot start the inspecting thread");
                Next::End
            }
        }
    })
}

fn serve(inbox: &mut Receiver<Inquiry>, answers: &mpsc::Sender<Answer>) -> Next {
    let mut examiner = match Examiner::new() {
        Ok(examiner) => examiner,
        Err(error) => {
            tracing::error!(%error, "cannot inspect");
            return Next::End;
        }
    };
    while let Ok(inquiry) = inbox.recv() {
        let answer = examiner.answer(&inquiry);
        if answers.blocking_send(answer).is_err() {
            return Next::End;
        }
        if examiner.stranded() {
            return Next::Again;
        }
    }
    Next::End
}

const INQUIRIES_MAX: usize = 256;
/// Answers that may wait to be taken.
pub const ANSWERS_MAX: usize = 256;
