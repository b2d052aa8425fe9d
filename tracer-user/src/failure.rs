//! Why the program could not do what was asked: one line that says what is wrong and what to do.

use crate::kernel::load::LoadError;
use crate::lab::LabError;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Probes(#[from] LoadError),
    #[error("{0}")]
    Lab(#[from] LabError),
    #[error("{0}")]
    Usage(String),
    #[error("cannot write {path}: {error}")]
    Output { path: PathBuf, error: std::io::Error },
    #[error("{what}: {error}")]
    System { what: &'static str, error: std::io::Error },
}

impl Failure {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}
