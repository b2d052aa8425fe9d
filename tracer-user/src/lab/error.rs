//! Why a lab could not be built or did not behave.

use crate::lab::scenario::Outcome;
use crate::model::finding::Cause;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error("making network namespaces needs CAP_SYS_ADMIN and CAP_NET_ADMIN: run as root")]
    Privileges,
    #[error("{program} is not installed: apt install {package}")]
    MissingProgram { program: String, package: &'static str },
    #[error("{scenario} has no form for {what}")]
    Unsupported { scenario: &'static str, what: &'static str },
    #[error("{command} in {host}: {output}")]
    Program {
        host: String,
        command: String,
        output: String,
    },
    #[error("cannot start {name}")]
    Start { name: String, source: io::Error },
    #[error("cannot talk to {name}")]
    Talk { name: String, source: io::Error },
    #[error("{name} did not answer")]
    Silent { name: String },
    #[error("{name} could not do it: {message}")]
    Refused { name: String, message: String },
    #[error("there is no {name} in this lab")]
    Unknown { name: String },
    #[error("the finding of {} names no command to run", cause.name())]
    NoCommand { cause: Cause },
    #[error("{step}: expected that it {expected}, but {got}")]
    Unexpected {
        step: String,
        expected: Outcome,
        got: String,
    },
}
