//! `conntracer completions`: what a shell needs to complete commands, options and their values.

use super::{NAME, output};
use crate::failure::Failure;
use clap_complete::{Shell, generate};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct CompletionsArguments {
    /// The shell that is to read them
    shell: Shell,
}

/// Never finds anything that the exit code tells.
pub(super) fn run(arguments: &CompletionsArguments, mut program: clap::Command) -> Result<bool, Failure> {
    // It takes a failure to write for a reason to panic, so it writes where none can be.
    let mut script = Vec::new();
    generate(arguments.shell, &mut program, NAME, &mut script);
    output::print_result(&script)?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::Arguments;
    use super::*;
    use clap::{CommandFactory as _, ValueEnum as _};

    #[test]
    fn every_shell_completes_every_command_and_none_that_is_hidden() {
        for &shell in Shell::value_variants() {
            let mut script = Vec::new();
            generate(shell, &mut Arguments::command(), NAME, &mut script);
            let script = String::from_utf8(script).expect("UTF-8");
            for command in Arguments::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
            assert!(!script.contains(crate::lab::SUBCOMMAND), "{shell}");
        }
    }
}
