//! The `conntracer` program.

use std::process::ExitCode;
use tracer_user::lab;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == lab::SUBCOMMAND) {
        return lab::host_main(arguments);
    }
    ExitCode::SUCCESS
}
