//! Each scenario really fails the way it says, or, for a control, does not. No tracing.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "the whole crate is tests")]

mod table;

use table::Case;
use tracer_user::lab::{Lab, Options};

fn check(case: &Case) {
    let &Case {
        scenario,
        backend,
        family,
        peer,
    } = case;
    let program = env!("CARGO_BIN_EXE_conntracer").into();
    let mut lab = Lab::build(
        scenario,
        Options {
            backend,
            family,
            peer,
            program,
        },
    )
    .unwrap_or_else(|error| panic!("{error}"));
    println!("{}", lab.made().join("\n"));
    // It insists on every step by itself.
    lab.drive(&mut |step| println!("{step}"))
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(lab.still_hangs().expect("the lab is there"));
}
