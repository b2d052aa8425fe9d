//! smoke
use tracer_user::kernel::load::{Probes, Settings};
#[test]
fn every_core_hook_loads_and_attaches() {
    let probes = Probes::load(&Settings::default()).unwrap();
    for hook in probes.hooks() {
        println!("{hook:?}");
    }
    println!("{:?}", probes.facts());
}
