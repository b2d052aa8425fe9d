//! Builds a real failure in throwaway network namespaces: real rules, real sockets, real processes.
//!
//! It does no tracing. Nothing of it outlives the process that made it: namespaces are anonymous and held only by child
//! processes that end with their standard input, so that there is nothing to clean up even after SIGKILL.

mod address;
mod error;
mod host;
mod node;
mod options;
mod rules;
mod scenario;
mod script;
mod symptom;
mod topology;
mod wire;
mod world;

pub use error::LabError;
pub use host::host_main;
pub use node::SUBCOMMAND;
pub use options::{Backend, Family, Options, PeerKind};
pub use scenario::{Outcome, SIDECAR_AND_AGENT, Scenario, find, scenarios};
pub use symptom::{Symptom, SymptomKind, now};

use script::Script;
use std::process::{Command, Stdio};
use std::time::Duration;
use symptom::Watch;
use world::World;

/// A network namespace of a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    pub name: String,
    pub inode: u32,
    /// A process that lives in it as long as the lab does.
    pub pid: u32,
}

/// A scenario with its namespaces, rules and servers. Dropping it ends its processes and with them all the rest.
pub struct Lab {
    scenario: &'static Scenario,
    world: World,
    waiting: Vec<&'static str>,
    symptom: Option<Symptom>,
}

impl Lab {
    /// Makes everything but the failing traffic.
    pub fn build(scenario: &'static Scenario, options: Options) -> Result<Self, LabError> {
        scenario.check(&options)?;
        let peer = scenario.peer(&options);
        let mut world = World::new(options, peer);
        (scenario.set_up)(&mut world)?;
        Ok(Self {
            scenario,
            world,
            waiting: Vec::new(),
            symptom: None,
        })
    }

    /// What was made, a line each, for people.
    pub fn made(&self) -> &[String] {
        &self.world.made
    }

    pub fn namespaces(&self) -> Vec<Namespace> {
        let describe = |node: &node::Node| Namespace {
            name: node.name.clone(),
            inode: node.netns,
            pid: node.pid(),
        };
        self.world.hosts().iter().map(describe).collect()
    }

    /// Those whose kernel a tracer should look at: all but a phantom's.
    pub fn namespaces_to_trace(&self) -> Vec<Namespace> {
        self.namespaces()
            .into_iter()
            .filter(|namespace| !self.world.is_phantom(&namespace.name))
            .collect()
    }

    /// Makes the failure, checking that each step goes as the scenario says. What hangs goes on hanging until the lab
    /// is finished. Blocks.
    pub fn drive(&mut self, on_step: &mut dyn FnMut(&str)) -> Result<(), LabError> {
        let mut script = Script {
            world: &mut self.world,
            narrate: on_step,
            waiting: Vec::new(),
            watch: Watch::new(self.scenario.client),
        };
        (self.scenario.drive)(&mut script)?;
        (self.waiting, self.symptom) = (script.waiting, script.watch.symptom);
        Ok(())
    }

    /// When an application noticed, after [`drive`](Self::drive); nothing where all of them are content.
    pub fn symptom(&self) -> Option<Symptom> {
        self.symptom
    }

    /// Runs a command that is to end the failure, as a person would, and shows that it is gone. Blocks.
    pub fn cure(&mut self, command: &str, on_step: &mut dyn FnMut(&str)) -> Result<(), LabError> {
        on_step(&format!("to do: {command}"));
        run_in_shell(command)?;
        let mut script = Script {
            world: &mut self.world,
            narrate: on_step,
            waiting: Vec::new(),
            watch: Watch::new(Outcome::Works),
        };
        self.scenario.cure.show(&mut script)
    }

    /// Whether everything that hung after [`drive`](Self::drive) still does.
    pub fn still_hangs(&mut self) -> Result<bool, LabError> {
        for &name in &self.waiting {
            if self.world.app(name)?.0.answer(Duration::ZERO).is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes everything, as dropping it does.
    pub fn finish(self) {}
}

fn run_in_shell(command: &str) -> Result<(), LabError> {
    let failed = |output: String| LabError::Program {
        host: "the shell".to_owned(),
        command: command.to_owned(),
        output,
    };
    let ran = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output();
    let output = ran.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}
