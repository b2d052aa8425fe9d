//! Makes a failure step by step: says each step in one plain line and insists that it goes as the scenario says.

use crate::lab::error::LabError;
use crate::lab::rules::{Invocation, Rules};
use crate::lab::scenario::Outcome;
use crate::lab::symptom::{self, Step, Watch};
use crate::lab::wire::{Answer, Command};
use crate::lab::world::World;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) struct Script<'a> {
    pub world: &'a mut World,
    pub narrate: &'a mut dyn FnMut(&str),
    /// Applications that hang.
    pub waiting: Vec<&'static str>,
    pub watch: Watch,
}

impl Script<'_> {
    pub(super) fn say(&mut self, line: &str) {
        (self.narrate)(line);
    }

    /// Connects to a port of the peer.
    pub(super) fn connect(&mut self, app: &'static str, port: u16, expected: Outcome) -> Result<(), LabError> {
        let to = self.world.peer(port);
        self.connect_as(app, Connect::to(to), expected)
    }

    pub(super) fn connect_as(
        &mut self,
        app: &'static str,
        connect: Connect,
        expected: Outcome,
    ) -> Result<(), LabError> {
        let Connect {
            to,
            slot,
            from_port,
            give_up_ms,
        } = connect;
        let from = from_port.map(|port| format!(" from port {port}")).unwrap_or_default();
        let step = format!("connects to {to}{from}");
        self.step(
            app,
            &step,
            &Command::Connect {
                slot,
                to,
                from_port,
                give_up_ms,
            },
            expected,
        )
    }

    /// Sends a line and waits for its answer.
    pub(super) fn request(&mut self, app: &'static str, slot: u8, expected: Outcome) -> Result<(), LabError> {
        self.send(app, slot)?;
        self.step(app, "waits for the answer", &Command::Receive { slot }, expected)
    }

    pub(super) fn send(&mut self, app: &'static str, slot: u8) -> Result<(), LabError> {
        let command = Command::Send {
            slot,
            line: "hello".to_owned(),
        };
        self.step(app, "sends a request", &command, Outcome::Works)
    }

    /// A new application on a host connects to the peer and gets its answer.
    pub(super) fn again(&mut self, host: &'static str) -> Result<(), LabError> {
        self.world.add_app("again", host, 0)?;
        self.connect("again", 9000, Outcome::Works)?;
        self.request("again", 0, Outcome::Works)
    }

    /// The application that hangs gets what it waits for.
    pub(super) fn goes_on(&mut self, app: &'static str) -> Result<(), LabError> {
        self.ends(app, Outcome::Works)?;
        self.say(&format!("{app} goes on"));
        Ok(())
    }

    /// The step of an application that hung has come to this end.
    pub(super) fn ends(&mut self, app: &'static str, expected: Outcome) -> Result<(), LabError> {
        let (node, _) = self.world.app(app)?;
        let answer = node.answer(WORKS_WITHIN);
        self.waiting.retain(|waiting| *waiting != app);
        if Outcome::of(answer.as_ref()) != Some(expected) {
            let got = answer.map_or_else(|| "nothing came".to_owned(), |answer| format!("{answer:?}"));
            return Err(LabError::Unexpected {
                step: format!("{app} goes on"),
                expected,
                got,
            });
        }
        if let Some(end) = describe(answer.as_ref()).filter(|_| expected != Outcome::Works) {
            self.say(&format!("{app} {end}"));
        }
        Ok(())
    }

    /// Any other step of an application that must work.
    pub(super) fn act(&mut self, app: &'static str, step: &str, command: &Command) -> Result<(), LabError> {
        self.step(app, step, command, Outcome::Works)
    }

    /// The application that hangs gets an error.
    pub(super) fn is_told(&mut self, app: &'static str) -> Result<(), LabError> {
        let (node, _) = self.world.app(app)?;
        match node.answer(WORKS_WITHIN) {
            Some(Answer::Failed { message, .. }) => {
                self.say(&format!("{app} gets an error: {message}"));
                Ok(())
            }
            answer => Err(LabError::Unexpected {
                step: format!("{app} is told"),
                expected: Outcome::Reset,
                got: answer.map_or_else(|| "nothing came".to_owned(), |answer| format!("{answer:?}")),
            }),
        }
    }

    /// Adds or deletes rules on a host in front of the audience.
    pub(super) fn apply(&mut self, host: &'static str, rules: &Rules) -> Result<(), LabError> {
        let options = &self.world.options;
        for invocation in rules.invocations(options.backend, options.family) {
            self.run(host, invocation)?;
        }
        Ok(())
    }

    /// Runs a program on a host in front of the audience.
    pub(super) fn run(&mut self, host: &'static str, invocation: Invocation) -> Result<(), LabError> {
        self.say(&format!("in {host}: {}", invocation.text()));
        self.world.run_quietly(host, invocation)
    }

    /// Changes a host's rules in front of the audience.
    pub(super) fn rules(&mut self, host: &'static str, rules: &Rules) -> Result<(), LabError> {
        let (backend, family) = (self.world.options.backend, self.world.options.family);
        for invocation in rules.invocations(backend, family) {
            let input = invocation.input.trim().to_owned();
            self.run(host, invocation)?;
            for line in input.lines() {
                self.say(&format!("in {host}:   {line}"));
            }
        }
        Ok(())
    }

    pub(super) fn step(
        &mut self,
        app: &'static str,
        step: &str,
        command: &Command,
        expected: Outcome,
    ) -> Result<(), LabError> {
        let (node, host) = self.world.app(app)?;
        (self.narrate)(&format!("{app} in {host} {step}"));
        let begun = symptom::now();
        node.tell(command)?;
        let within = if expected == Outcome::Hangs {
            HANGS_AFTER
        } else {
            WORKS_WITHIN
        };
        let answer = node.answer(within);
        let outcome = Outcome::of(answer.as_ref());
        if outcome != Some(expected) {
            let got = answer.map_or_else(|| "nothing came".to_owned(), |answer| format!("{answer:?}"));
            return Err(LabError::Unexpected {
                step: format!("{app} {step}"),
                expected,
                got,
            });
        }
        self.watch.made(&Step {
            begun,
            outcome: expected,
            waits: matches!(command, Command::Receive { .. }),
        });
        if expected == Outcome::Hangs {
            self.waiting.push(app);
        }
        if let Some(end) = describe(answer.as_ref()) {
            self.say(&format!("{app} {end}"));
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
pub(super) struct Connect {
    pub to: SocketAddr,
    pub slot: u8,
    pub from_port: Option<u16>,
    pub give_up_ms: Option<u64>,
}

impl Connect {
    /// By the first slot, without further wishes.
    pub(super) fn to(to: SocketAddr) -> Self {
        Self {
            to,
            slot: 0,
            from_port: None,
            give_up_ms: None,
        }
    }
}

impl Outcome {
    /// Of an answer, or of its absence.
    fn of(answer: Option<&Answer>) -> Option<Self> {
        match answer {
            None => Some(Self::Hangs),
            Some(Answer::Done) => Some(Self::Works),
            Some(Answer::Line(line)) if !line.is_empty() => Some(Self::Works),
            Some(Answer::Failed { errno: Some(errno), .. }) => match *errno {
                libc::ECONNREFUSED => Some(Self::Refused),
                libc::ECONNRESET => Some(Self::Reset),
                libc::EADDRNOTAVAIL => Some(Self::NoPort),
                libc::ECONNABORTED => Some(Self::Destroyed),
                libc::EHOSTUNREACH => Some(Self::Unreachable),
                libc::EINPROGRESS | libc::EAGAIN => Some(Self::GivesUp),
                libc::ENOENT => Some(Self::Unknown),
                _ => None,
            },
            Some(_) => None,
        }
    }
}

/// What the audience hears of an answer; nothing of a step that simply went well.
fn describe(answer: Option<&Answer>) -> Option<String> {
    match answer {
        None => Some("still waits".to_owned()),
        Some(Answer::Line(line)) => Some(format!("gets {line:?}")),
        Some(Answer::Failed {
            errno: Some(libc::EINPROGRESS | libc::EAGAIN),
            ..
        }) => Some("gives up".to_owned()),
        Some(Answer::Failed { message, .. }) => Some(format!("gets an error: {message}")),
        Some(Answer::Done | Answer::Hello { .. } | Answer::Ran { .. }) => None,
    }
}

/// Silence that counts as hanging: what works here does so in milliseconds.
const HANGS_AFTER: Duration = Duration::from_millis(1500);
/// What works may take this long on an overloaded machine.
const WORKS_WITHIN: Duration = Duration::from_secs(20);
