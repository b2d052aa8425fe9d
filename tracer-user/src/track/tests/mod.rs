//! The Tracker with a virtual clock: each cause, each control, the bounds, and any order of events.

mod bad_input;
mod bounds;
mod causes;
mod census;
mod controls;
mod drops;
mod fan_in;
mod local;
mod losses;
mod names;
mod order;
mod rules;
mod sockets;
mod storms;
mod strays;
mod world;
