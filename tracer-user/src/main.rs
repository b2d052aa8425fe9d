//! The `conntracer` program.
fn main() {}
