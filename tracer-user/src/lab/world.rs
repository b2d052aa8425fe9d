//! What a lab is made of: hosts with their network namespaces, applications on them, and the rules between.
//!
//! Which of it a failure needs is each scenario's business; how hosts are wired is in `topology`.

use crate::lab::address::{self, Link};
use crate::lab::error::LabError;
use crate::lab::node::{Node, Role};
use crate::lab::options::{Options, PeerKind};
use crate::lab::rules::{Invocation, Rules};
use crate::lab::wire::{Accepts, Answer, Command, Manner, Server};
use std::net::SocketAddr;

pub(super) struct World {
    pub options: Options,
    pub peer_kind: PeerKind,
    /// The link that the peer is on.
    pub peer_link: Link,
    /// What was made, a line each, for people.
    pub made: Vec<String>,
    apps: Vec<App>,
    hosts: Vec<Node>,
}

struct App {
    node: Node,
    host: &'static str,
}

impl World {
    pub(super) fn new(options: Options, peer_kind: PeerKind) -> Self {
        Self {
            options,
            peer_kind,
            peer_link: Link::Near,
            made: Vec::new(),
            apps: Vec::new(),
            hosts: Vec::new(),
        }
    }

    pub(super) fn hosts(&self) -> &[Node] {
        &self.hosts
    }

    /// A host with an empty network namespace.
    pub(super) fn add_host(&mut self, name: &'static str) -> Result<(), LabError> {
        let node = Node::start(
            &self.options.program,
            Role {
                name,
                joins: None,
                uid: 0,
            },
        )?;
        self.made.push(format!("network namespace {name} ({})", node.netns));
        self.hosts.push(node);
        Ok(())
    }

    /// An application on a host.
    pub(super) fn add_app(&mut self, name: &'static str, host: &'static str, uid: u32) -> Result<(), LabError> {
        let joins = Some(self.host(host)?.pid());
        let node = Node::start(&self.options.program, Role { name, joins, uid })?;
        self.made.push(format!("process {name} ({}) in {host}", node.pid()));
        self.apps.push(App { node, host });
        Ok(())
    }

    /// Kills an application.
    pub(super) fn stop_app(&mut self, name: &str) {
        self.apps.retain(|app| app.node.name != name);
    }

    /// A server on a host, of a process of its own. Where the peer is a phantom, it is the phantom that echoes.
    pub(super) fn add_server(
        &mut self,
        name: &'static str,
        host: &'static str,
        port: u16,
        accepts: Accepts,
        backlog: i32,
    ) -> Result<(), LabError> {
        if self.is_phantom(host) {
            return self.start_phantom(Manner::Echo);
        }
        self.add_app(name, host, 0)?;
        let listen = address::any(self.options.family, port);
        self.made.push(format!("{name} in {host} listens on {listen}"));
        self.ask_app(
            name,
            &Command::Serve(Server {
                listen,
                backlog,
                accepts,
            }),
        )
        .map(drop)
    }

    pub(super) fn start_phantom(&mut self, manner: Manner) -> Result<(), LabError> {
        self.ask_host(
            "peer",
            &Command::Phantom {
                device: "eth0".to_owned(),
                manner,
            },
        )
        .map(drop)
    }

    pub(super) fn is_phantom(&self, host: &str) -> bool {
        host == "peer" && self.peer_kind == PeerKind::Phantom
    }

    pub(super) fn add_rules(&mut self, host: &'static str, rules: &Rules) -> Result<(), LabError> {
        for invocation in rules.invocations(self.options.backend, self.options.family) {
            self.run(host, invocation)?;
        }
        Ok(())
    }

    /// Runs a program on a host and notes it.
    pub(super) fn run(&mut self, host: &'static str, invocation: Invocation) -> Result<(), LabError> {
        let text = invocation.text();
        let input = invocation.input.trim().to_owned();
        self.run_quietly(host, invocation)?;
        self.made.push(format!("{host}: {text}"));
        self.made.extend(input.lines().map(|line| format!("{host}:   {line}")));
        Ok(())
    }

    pub(super) fn run_quietly(&mut self, host: &'static str, invocation: Invocation) -> Result<(), LabError> {
        let command = invocation.text();
        let Invocation {
            program,
            arguments,
            input,
        } = invocation;
        let node = self.host(host)?;
        node.tell(&Command::Run {
            program: program.to_owned(),
            arguments,
            input,
        })?;
        match node.answer(crate::lab::node::PATIENCE) {
            Some(Answer::Ran { success: true, .. }) => Ok(()),
            Some(Answer::Ran { output, .. }) => Err(LabError::Program {
                host: host.to_owned(),
                command,
                output,
            }),
            Some(Answer::Failed {
                errno: Some(libc::ENOENT),
                ..
            }) => Err(missing(program)),
            Some(Answer::Failed { message, .. }) => Err(LabError::Refused {
                name: host.to_owned(),
                message,
            }),
            _ => Err(LabError::Silent { name: host.to_owned() }),
        }
    }

    pub(super) fn set(&mut self, host: &'static str, path: &str, value: &str) -> Result<(), LabError> {
        let path = format!("/proc/sys/net/{path}");
        self.ask_host(
            host,
            &Command::Set {
                path,
                value: value.to_owned(),
            },
        )
        .map(drop)
    }

    /// A port of the peer.
    pub(super) fn peer(&self, port: u16) -> SocketAddr {
        SocketAddr::new(
            address::address(self.options.family, self.peer_link, address::PEER),
            port,
        )
    }

    pub(super) fn host(&mut self, name: &str) -> Result<&mut Node, LabError> {
        let unknown = || LabError::Unknown { name: name.to_owned() };
        self.hosts.iter_mut().find(|node| node.name == name).ok_or_else(unknown)
    }

    /// An application and the name of its host.
    pub(super) fn app(&mut self, name: &str) -> Result<(&mut Node, &'static str), LabError> {
        let unknown = || LabError::Unknown { name: name.to_owned() };
        let app = self
            .apps
            .iter_mut()
            .find(|app| app.node.name == name)
            .ok_or_else(unknown)?;
        Ok((&mut app.node, app.host))
    }

    pub(super) fn ask_host(&mut self, name: &str, command: &Command) -> Result<Answer, LabError> {
        self.host(name)?.ask(command)
    }

    pub(super) fn ask_app(&mut self, name: &str, command: &Command) -> Result<Answer, LabError> {
        self.app(name)?.0.ask(command)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The last to come goes first, the clients before what they wait for; and all of them before their namespaces.
        while self.apps.pop().is_some() {}
    }
}

fn missing(program: &str) -> LabError {
    let package = match program {
        "nft" => "nftables",
        "ip" | "tc" => "iproute2",
        "conntrack" => "conntrack",
        _ => "iptables",
    };
    LabError::MissingProgram {
        program: program.to_owned(),
        package,
    }
}
