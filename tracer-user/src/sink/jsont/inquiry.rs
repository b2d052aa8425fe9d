//! `inquiry` and `answer` lines: what replay needs beside events.

use crate::model::identity;
use crate::model::identity::SocketCookie;
use crate::model::inquiry;
use crate::model::inquiry::{Census, Examined, Question, Reply, Stalled, Waiting};
use crate::model::time::Timestamp;
use crate::model::who::Subject;
use crate::sink::jsont::aspect::{AspectLine, SeenLine};
use crate::sink::jsont::socket::{Listener, Socket};
use crate::sink::jsont::spell::{Spell, spelled};
use crate::sink::jsont::walk::{TravellerLine, WalkedLine};
use crate::sink::jsont::who::IdentityLine;
use crate::sink::jsont::{Conntrack, Decimal, Endpoint, Invalid, Limits, Netns, Process, Spelled, Tuple};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("allOf" = super::schema::fields_by_name("question", &[
    ("connection", &["connection"]),
    ("link", &["ifindex"]),
]))))]
pub struct Inquiry<'a> {
    pub id: u64,
    pub question: Spelled<QuestionName>,
    #[serde(borrow)]
    pub netns: Netns<'a>,
    /// A process that was in that namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Tuple>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Endpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ifindex: Option<u32>,
    /// Of `walk`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packets: Vec<TravellerLine>,
    /// Of `walk`: who can set this is asked too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connmark: Option<u32>,
    /// Of `connection` and `walk`: what else is looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub aspects: Vec<AspectLine<'a>>,
    /// Of `who`; absent: the namespace is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionName {
    Connection,
    Link,
    Sweep,
    Stalled,
    Walk,
    Who,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("allOf" = super::schema::fields_by_name("answer", &[
    ("connection", &["examined"]),
    ("walked", &["walked"]),
    ("identity", &["identity"]),
    ("unreachable", &["why"]),
]))))]
pub struct Answer<'a> {
    /// Of the inquiry.
    pub id: u64,
    pub answer: Spelled<ReplyName>,
    /// A path for `nsenter --net=`.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub enter: Option<Cow<'a, str>>,
    /// Of `connection`.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub examined: Option<ExaminedLine<'a>>,
    /// Of `link`: the namespace at the other end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<Netns<'a>>,
    /// Of `swept`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingLine<'a>>,
    /// Of `stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stalled: Vec<StalledLine<'a>>,
    /// Of `stalled`: how many more there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u32,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub walked: Option<WalkedLine<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub identity: Option<IdentityLine<'a>>,
    /// Of `unreachable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyName {
    Connection,
    Link,
    Swept,
    Stalled,
    Walked,
    Identity,
    Gone,
    Unreachable,
}

spelled! {
    "question": QuestionName {
        Connection = "connection",
        Link = "link",
        Sweep = "sweep",
        Stalled = "stalled",
        Walk = "walk",
        Who = "who",
    }
    "answer": ReplyName {
        Connection = "connection",
        Link = "link",
        Swept = "swept",
        Stalled = "stalled",
        Walked = "walked",
        Identity = "identity",
        Gone = "gone",
        Unreachable = "unreachable",
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExaminedLine<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conntrack: Option<Conntrack>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<Socket>,
    pub target: Endpoint,
    pub target_is_local: bool,
    pub listeners: Vec<Listener>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub seen: Vec<SeenLine<'a>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WaitingLine<'a> {
    #[serde(borrow)]
    pub netns: Netns<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub enter: Option<Cow<'a, str>>,
    pub listener: Listener,
    pub connection: Tuple,
    pub receive_queue: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conntrack: Option<Conntrack>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Socket>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StalledLine<'a> {
    #[serde(borrow)]
    pub netns: Netns<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub enter: Option<Cow<'a, str>>,
    /// When it was looked at, on the clock of `mono`.
    pub seen: Decimal,
    pub connection: Tuple,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<Decimal>,
    pub socket: Socket,
    pub unacked_bytes: u32,
    pub backoff: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_ns: Option<u64>,
    /// How much of the timeout was left.
    pub left_ns: u64,
}

impl<'a> Inquiry<'a> {
    pub fn new(inquiry: &'a inquiry::Inquiry) -> Self {
        let inquiry::Inquiry {
            id,
            at: _,
            netns,
            hint,
            question,
        } = inquiry;
        let mut line = Self {
            id: *id,
            question: Spelled(QuestionName::Sweep),
            netns: Netns::new(*netns, None),
            hint: *hint,
            connection: None,
            target: None,
            ifindex: None,
            packets: Vec::new(),
            connmark: None,
            aspects: Vec::new(),
            process: None,
        };
        let name = match question {
            Question::Connection { tuple, target, aspects } => {
                line.aspects = aspects.iter().map(AspectLine::new).collect();
                line.connection = Some((*tuple).into());
                line.target = target.map(Into::into);
                QuestionName::Connection
            }
            Question::Link { ifindex } => {
                line.ifindex = Some(*ifindex);
                QuestionName::Link
            }
            Question::Sweep => QuestionName::Sweep,
            Question::Stalled => QuestionName::Stalled,
            Question::Walk {
                packets,
                connmark,
                aspects,
            } => {
                line.aspects = aspects.iter().map(AspectLine::new).collect();
                line.packets = packets.iter().map(Into::into).collect();
                line.connmark = *connmark;
                QuestionName::Walk
            }
            Question::Who(subject) => {
                line.subject(*subject);
                QuestionName::Who
            }
        };
        line.question = Spelled(name);
        line
    }

    fn subject(&mut self, subject: Subject) {
        match subject {
            Subject::Netns(netns) => self.netns = Netns::new(netns, None),
            Subject::Process { pid, comm, cgroup } => {
                self.process = Some(Process {
                    cgroup_id: cgroup.and_then(Decimal::known),
                    ..identity::Process { pid, comm }.into()
                });
            }
        }
    }

    /// The inquiry of this line, which was made at `at`.
    pub fn model(self, at: Timestamp) -> Result<inquiry::Inquiry, Invalid> {
        let question = match self.question.0 {
            QuestionName::Connection => Question::Connection {
                tuple: self.connection.ok_or(Invalid::Missing("connection"))?.into(),
                target: self.target.map(Into::into),
                aspects: self.aspects.into_iter().map(AspectLine::model).collect(),
            },
            QuestionName::Link => Question::Link {
                ifindex: self.ifindex.ok_or(Invalid::Missing("ifindex"))?,
            },
            QuestionName::Sweep => Question::Sweep,
            QuestionName::Stalled => Question::Stalled,
            QuestionName::Walk => Question::Walk {
                packets: self.packets.into_iter().map(Into::into).collect(),
                connmark: self.connmark,
                aspects: self.aspects.into_iter().map(AspectLine::model).collect(),
            },
            QuestionName::Who => Question::Who(match self.process {
                Some(process) => Subject::Process {
                    pid: process.pid,
                    comm: process.comm(),
                    cgroup: process.cgroup_id.map(|cgroup| cgroup.0),
                },
                None => Subject::Netns(self.netns.clone().into()),
            }),
        };
        Ok(inquiry::Inquiry {
            id: self.id,
            at,
            netns: self.netns.into(),
            hint: self.hint,
            question,
        })
    }
}

impl<'a> Answer<'a> {
    pub fn new(answer: &'a inquiry::Answer, limits: Limits) -> Self {
        let mut line = Self {
            id: answer.id,
            answer: Spelled(ReplyName::Gone),
            enter: answer.enter.as_deref().map(|enter| limits.text(enter)),
            examined: None,
            netns: None,
            waiting: Vec::new(),
            stalled: Vec::new(),
            left_out: 0,
            walked: None,
            identity: None,
            why: None,
        };
        let name = match &answer.reply {
            Reply::Connection(examined) => {
                line.examined = Some(ExaminedLine::new(examined, limits));
                ReplyName::Connection
            }
            Reply::Link(netns) => {
                line.netns = netns.map(|netns| Netns::new(netns, None));
                ReplyName::Link
            }
            Reply::Swept(waiting) => {
                let waiting = limits.list(waiting);
                line.waiting = waiting
                    .iter()
                    .map(|waiting| WaitingLine::new(waiting, limits))
                    .collect();
                ReplyName::Swept
            }
            Reply::Stalled(census) => {
                line.stalled(census, limits);
                ReplyName::Stalled
            }
            Reply::Walked(walked) => {
                line.walked = Some(WalkedLine::new(walked, limits));
                ReplyName::Walked
            }
            Reply::Identity(identity) => {
                line.identity = Some(IdentityLine::new(identity, limits));
                ReplyName::Identity
            }
            Reply::Gone => ReplyName::Gone,
            Reply::Unreachable(why) => {
                line.why = Some(limits.text(why));
                ReplyName::Unreachable
            }
        };
        line.answer = Spelled(name);
        line
    }

    /// What does not fit into the line is counted with what was left out before.
    fn stalled(&mut self, census: &'a Census, limits: Limits) {
        let told = limits.list(&census.sockets);
        self.stalled = told.iter().map(|stalled| StalledLine::new(stalled, limits)).collect();
        let cut = u32::try_from(census.sockets.len() - told.len()).unwrap_or(u32::MAX);
        self.left_out = census.left_out.saturating_add(cut);
    }

    /// The answer of this line, which came at `at`.
    pub fn model(self, at: Timestamp) -> Result<inquiry::Answer, Invalid> {
        let reply = match self.answer.0 {
            ReplyName::Connection => {
                let examined = self.examined.ok_or(Invalid::Missing("examined"))?;
                Reply::Connection(Box::new(examined.model()))
            }
            ReplyName::Link => Reply::Link(self.netns.map(Into::into)),
            ReplyName::Swept => Reply::Swept(self.waiting.into_iter().map(WaitingLine::model).collect()),
            ReplyName::Stalled => Reply::Stalled(Census {
                sockets: self.stalled.into_iter().map(StalledLine::model).collect(),
                left_out: self.left_out,
            }),
            ReplyName::Walked => {
                let walked = self.walked.ok_or(Invalid::Missing("walked"))?;
                Reply::Walked(Box::new(walked.into()))
            }
            ReplyName::Identity => {
                let identity = self.identity.ok_or(Invalid::Missing("identity"))?;
                Reply::Identity(Arc::new(identity.model()))
            }
            ReplyName::Gone => Reply::Gone,
            ReplyName::Unreachable => Reply::Unreachable(self.why.ok_or(Invalid::Missing("why"))?.into()),
        };
        Ok(inquiry::Answer {
            id: self.id,
            at,
            enter: self.enter.map(Into::into),
            reply,
        })
    }
}

impl<'a> ExaminedLine<'a> {
    fn new(examined: &'a Examined, limits: Limits) -> Self {
        Self {
            conntrack: examined.conntrack.as_ref().map(Into::into),
            socket: examined.socket.as_ref().map(Into::into),
            target: examined.target.into(),
            target_is_local: examined.target_is_local,
            listeners: limits.list(&examined.listeners).iter().map(Into::into).collect(),
            seen: limits
                .list(&examined.seen)
                .iter()
                .map(|seen| SeenLine::new(seen, limits))
                .collect(),
        }
    }

    fn model(self) -> Examined {
        Examined {
            conntrack: self.conntrack.map(Into::into),
            socket: self.socket.map(Into::into),
            target: self.target.into(),
            target_is_local: self.target_is_local,
            listeners: self.listeners.into_iter().map(Into::into).collect(),
            seen: self.seen.into_iter().map(SeenLine::model).collect(),
        }
    }
}

impl<'a> WaitingLine<'a> {
    fn new(waiting: &'a Waiting, limits: Limits) -> Self {
        Self {
            netns: Netns::new(waiting.netns, None),
            enter: waiting.enter.as_deref().map(|enter| limits.text(enter)),
            listener: (&waiting.listener).into(),
            connection: waiting.tuple.into(),
            receive_queue: waiting.receive_queue,
            conntrack: waiting.conntrack.as_ref().map(Into::into),
            client: waiting.client.as_ref().map(Into::into),
        }
    }

    fn model(self) -> Waiting {
        Waiting {
            netns: self.netns.into(),
            enter: self.enter.map(Into::into),
            listener: self.listener.into(),
            tuple: self.connection.into(),
            receive_queue: self.receive_queue,
            conntrack: self.conntrack.map(Into::into),
            client: self.client.map(Into::into),
        }
    }
}

impl<'a> StalledLine<'a> {
    fn new(stalled: &'a Stalled, limits: Limits) -> Self {
        Self {
            netns: Netns::new(stalled.netns, None),
            enter: stalled.enter.as_deref().map(|enter| limits.text(enter)),
            seen: stalled.at.into(),
            connection: stalled.tuple.into(),
            cookie: stalled.cookie.map(|cookie| Decimal(cookie.get())),
            socket: (&stalled.socket).into(),
            unacked_bytes: stalled.unacked,
            backoff: stalled.backoff,
            rto_ns: stalled.rto.map(nanos),
            left_ns: nanos(stalled.left),
        }
    }

    fn model(self) -> Stalled {
        Stalled {
            netns: self.netns.into(),
            enter: self.enter.map(Into::into),
            at: Timestamp::from_nanos(self.seen.0),
            tuple: self.connection.into(),
            cookie: self.cookie.and_then(|cookie| SocketCookie::new(cookie.0)),
            socket: self.socket.into(),
            unacked: self.unacked_bytes,
            backoff: self.backoff,
            rto: self.rto_ns.map(Duration::from_nanos),
            left: Duration::from_nanos(self.left_ns),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
