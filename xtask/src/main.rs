//! conntracer's chores.
fn main() {}
