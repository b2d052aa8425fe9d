//! The inspector: a thread of its own that takes inquiries, looks, and sends answers.
//!
//! The only part of `inspect` that does I/O. Never a tokio worker: the thread visits other namespaces, and one that
//! cannot come back ends and is replaced. The one that starts it never leaves its namespace, so a new one begins at home.

mod examiner;
mod netlink;
mod netns;
mod paths;
mod probe;
mod process;
mod raw;
mod sweep;
mod zones;

pub use examiner::Examiner;

use crate::model::inquiry::{Answer, Inquiry};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use tokio::sync::mpsc;

/// Where inquiries go in. The threads end when it is dropped, or when nobody takes the answers any more.
#[derive(Debug)]
pub struct Inspector {
    inquiries: SyncSender<Inquiry>,
}

impl Inspector {
    pub fn start() -> io::Result<(Self, mpsc::Receiver<Answer>)> {
        // What would fail on the thread fails here, where somebody is told.
        Examiner::new()?;
        let (inquiries, mut inbox) = sync_channel(INQUIRIES_MAX);
        let (answers, outbox) = mpsc::channel(ANSWERS_MAX);
        thread::Builder::new().name("inspect-home".into()).spawn(move || {
            while let Next::Again = run(&mut inbox, &answers) {
                tracing::error!("the inspecting thread is started again");
            }
        })?;
        Ok((Self { inquiries }, outbox))
    }

    /// Takes an inquiry, or gives it back where too many wait (or nobody takes answers).
    pub fn ask(&self, inquiry: Inquiry) -> Result<(), Inquiry> {
        self.inquiries.try_send(inquiry).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(inquiry) | std::sync::mpsc::TrySendError::Disconnected(inquiry) => {
                inquiry
            }
        })
    }
}

enum Next {
    Again,
    End,
}

/// Runs one inspecting thread until it ends.
fn run(inbox: &mut Receiver<Inquiry>, answers: &mpsc::Sender<Answer>) -> Next {
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("inspect".into())
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
const ANSWERS_MAX: usize = 256;
