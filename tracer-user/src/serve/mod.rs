//! The agent over HTTP: its metrics, its health, and a page for a person with a port-forward.
//!
//! The server shares the thread of the loop that traces: what it answers is rendered at most once a second, from a copy
//! of the board, and no client can hold it up.

mod cache;
mod clock;
mod gate;
mod health;
mod hosts;
mod metrics;
mod page;
mod respond;
mod route;
mod server;

pub use health::Health;
pub use server::{Server, State};

#[cfg(test)]
mod tests;
