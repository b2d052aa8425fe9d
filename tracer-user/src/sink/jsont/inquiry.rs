//! `inquiry` and `answer` lines: what replay needs beside events.

use crate::model::inquiry;
use crate::model::inquiry::{Examined, Question, Reply, Waiting};
use crate::model::time::Timestamp;
use crate::sink::jsont::socket::{Listener, Socket};
use crate::sink::jsont::spell::{Spell, spelled};
use crate::sink::jsont::{Conntrack, Endpoint, Invalid, Limits, Netns, Spelled, Tuple};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Clone, Debug, Serialize, Deserialize)]
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionName {
    Connection,
    Link,
    Sweep,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer<'a> {
    /// Of the inquiry.
    pub id: u64,
    pub answer: Spelled<ReplyName>,
    /// A path for `nsenter --net=`.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub enter: Option<Cow<'a, str>>,
    /// Of `connection`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examined: Option<ExaminedLine>,
    /// Of `link`: the namespace at the other end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<Netns<'a>>,
    /// Of `swept`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingLine<'a>>,
    /// Of `unreachable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyName {
    Connection,
    Link,
    Swept,
    Gone,
    Unreachable,
}

spelled! {
    "question": QuestionName {
        Connection = "connection",
        Link = "link",
        Sweep = "sweep",
    }
    "answer": ReplyName {
        Connection = "connection",
        Link = "link",
        Swept = "swept",
        Gone = "gone",
        Unreachable = "unreachable",
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExaminedLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conntrack: Option<Conntrack>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<Socket>,
    pub target: Endpoint,
    pub target_is_local: bool,
    pub listeners: Vec<Listener>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
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

impl Inquiry<'_> {
    pub fn new(inquiry: &inquiry::Inquiry) -> Self {
        let inquiry::Inquiry {
            id,
            at: _,
            netns,
            hint,
            question,
        } = inquiry;
        let (name, connection, target, ifindex) = match *question {
            Question::Connection { tuple, target } => (QuestionName::Connection, Some(tuple.into()), target, None),
            Question::Link { ifindex } => (QuestionName::Link, None, None, Some(ifindex)),
            Question::Sweep => (QuestionName::Sweep, None, None, None),
        };
        Self {
            id: *id,
            question: Spelled(name),
            netns: Netns::new(*netns, None),
            hint: *hint,
            connection,
            target: target.map(Into::into),
            ifindex,
        }
    }

    /// The inquiry of this line, which was made at `at`.
    pub fn model(self, at: Timestamp) -> Result<inquiry::Inquiry, Invalid> {
        let question = match self.question.0 {
            QuestionName::Connection => Question::Connection {
                tuple: self.connection.ok_or(Invalid::Missing("connection"))?.into(),
                target: self.target.map(Into::into),
            },
            QuestionName::Link => Question::Link {
                ifindex: self.ifindex.ok_or(Invalid::Missing("ifindex"))?,
            },
            QuestionName::Sweep => Question::Sweep,
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
            Reply::Gone => ReplyName::Gone,
            Reply::Unreachable(why) => {
                line.why = Some(limits.text(why));
                ReplyName::Unreachable
            }
        };
        line.answer = Spelled(name);
        line
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

impl ExaminedLine {
    fn new(examined: &Examined, limits: Limits) -> Self {
        Self {
            conntrack: examined.conntrack.as_ref().map(Into::into),
            socket: examined.socket.as_ref().map(Into::into),
            target: examined.target.into(),
            target_is_local: examined.target_is_local,
            listeners: limits.list(&examined.listeners).iter().map(Into::into).collect(),
        }
    }

    fn model(self) -> Examined {
        Examined {
            conntrack: self.conntrack.map(Into::into),
            socket: self.socket.map(Into::into),
            target: self.target.into(),
            target_is_local: self.target_is_local,
            listeners: self.listeners.into_iter().map(Into::into).collect(),
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
