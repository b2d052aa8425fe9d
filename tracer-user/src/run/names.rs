//! The thread that looks up names: a stuck container runtime holds up nobody but those who wait for a name.

use crate::confine::{self, Role};
use crate::enrich::source::{Namer, NamerHealth, NamerOptions};
use crate::inspect::source::now;
use crate::model::inquiry::{Answer, Inquiry, Question, Reply};
use crate::model::who::Identity;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::Sender;

/// Where questions for names go in. The thread ends when it is dropped.
#[derive(Debug)]
pub(super) struct Names {
    inquiries: SyncSender<Inquiry>,
    health: Arc<Mutex<NamerHealth>>,
    cgroups: Option<Receiver<Named>>,
}

/// A cgroup and whoever runs in it.
type Named = (u64, Arc<Identity>);

impl Names {
    /// `with_cgroups`: also tells what holds for whole cgroups, see [`Self::cgroups`].
    pub(super) fn start(options: &NamerOptions, answers: Sender<Answer>, with_cgroups: bool) -> io::Result<Self> {
        let mut namer = Namer::new(options);
        let health = Arc::new(Mutex::new(namer.health()));
        let told = Arc::clone(&health);
        let (inquiries, inbox) = sync_channel(INQUIRIES_MAX);
        let (told_cgroups, cgroups) = with_cgroups.then(|| sync_channel(INQUIRIES_MAX)).unzip();
        std::thread::Builder::new().name("names".into()).spawn(move || {
            confine::thread(Role::Inspect);
            serve(&mut namer, &inbox, &answers, told_cgroups.as_ref(), &told);
        })?;
        Ok(Self {
            inquiries,
            health,
            cgroups,
        })
    }

    /// Takes a question, or says that too many wait.
    pub(super) fn ask(&self, inquiry: &Inquiry) -> bool {
        self.inquiries.try_send(inquiry.clone()).is_ok()
    }

    /// Cgroups that became known with the answers so far.
    pub(super) fn cgroups(&self) -> impl Iterator<Item = Named> {
        self.cgroups.iter().flat_map(Receiver::try_iter)
    }

    pub(super) fn health(&self) -> NamerHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(
    namer: &mut Namer,
    inbox: &Receiver<Inquiry>,
    answers: &Sender<Answer>,
    cgroups: Option<&SyncSender<Named>>,
    health: &Mutex<NamerHealth>,
) {
    while let Ok(inquiry) = inbox.recv() {
        let Question::Who(subject) = inquiry.question else {
            continue;
        };
        let identity = Arc::new(namer.name(subject, inquiry.at));
        if let Some(cgroups) = cgroups
            && let Some(cgroup) = namer.shared_cgroup(subject)
        {
            // Where too many wait already, it is told again with another process.
            let _ = cgroups.try_send((cgroup, Arc::clone(&identity)));
        }
        *health.lock().unwrap_or_else(PoisonError::into_inner) = namer.health();
        let answer = Answer {
            id: inquiry.id,
            at: now(),
            enter: None,
            reply: Reply::Identity(identity),
        };
        if answers.blocking_send(answer).is_err() {
            return;
        }
    }
}

const INQUIRIES_MAX: usize = 256;
