//! The thread that looks up names: a stuck container runtime holds up nobody but those who wait for a name.

use crate::confine::{self, Role};
use crate::enrich::source::{Namer, NamerHealth, NamerOptions};
use crate::inspect::source::now;
use crate::model::inquiry::{Answer, Inquiry, Question, Reply};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::Sender;

/// Where questions for names go in. The thread ends when it is dropped.
#[derive(Debug)]
pub(super) struct Names {
    inquiries: SyncSender<Inquiry>,
    health: Arc<Mutex<NamerHealth>>,
}

impl Names {
    pub(super) fn start(options: &NamerOptions, answers: Sender<Answer>) -> io::Result<Self> {
        let mut namer = Namer::new(options);
        let health = Arc::new(Mutex::new(namer.health()));
        let told = Arc::clone(&health);
        let (inquiries, inbox) = sync_channel(INQUIRIES_MAX);
        std::thread::Builder::new().name("names".into()).spawn(move || {
            confine::thread(Role::Inspect);
            serve(&mut namer, &inbox, &answers, &told);
        })?;
        Ok(Self { inquiries, health })
    }

    /// Takes a question, or says that too many wait.
    pub(super) fn ask(&self, inquiry: &Inquiry) -> bool {
        self.inquiries.try_send(inquiry.clone()).is_ok()
    }

    pub(super) fn health(&self) -> NamerHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(namer: &mut Namer, inbox: &Receiver<Inquiry>, answers: &Sender<Answer>, health: &Mutex<NamerHealth>) {
    while let Ok(inquiry) = inbox.recv() {
        let Question::Who(subject) = inquiry.question else {
            continue;
        };
        let identity = namer.name(subject, inquiry.at);
        *health.lock().unwrap_or_else(PoisonError::into_inner) = namer.health();
        let answer = Answer {
            id: inquiry.id,
            at: now(),
            enter: None,
            reply: Reply::Identity(Arc::new(identity)),
        };
        if answers.blocking_send(answer).is_err() {
            return;
        }
    }
}

const INQUIRIES_MAX: usize = 256;
