//! Records as the Tracker and the shell make them, for the tests of the sinks.

mod findings;
mod ports;
