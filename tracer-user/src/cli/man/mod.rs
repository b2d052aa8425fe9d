//! `conntracer man`: the manual's pages, made of the same words as the help.

mod sections;

use super::{NAME, output};
use crate::failure::Failure;
use clap_mangen::{Man, roff::Roff};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct ManArguments {
    /// The command whose page is wanted [default: the page of conntracer itself]
    command: Option<String>,
    /// Write every page to this folder, as conntracer.8, conntracer-trace.8 and so on
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    out: Option<PathBuf>,
}

/// Never finds anything that the exit code tells.
pub(super) fn run(arguments: &ManArguments, program: clap::Command) -> Result<bool, Failure> {
    let program = described(program);
    if let Some(folder) = &arguments.out {
        write_all(&program, folder)?;
        return Ok(false);
    }
    let page = match &arguments.command {
        None => page(&program),
        Some(name) => page(command_of(&program, name)?),
    };
    output::print_result(&page.map_err(Failure::system("rendering the page"))?)?;
    Ok(false)
}

/// The program with all that its pages tell, names of its commands' own pages included.
fn described(program: clap::Command) -> clap::Command {
    let mut program = program
        .disable_help_subcommand(true)
        .subcommand_help_heading("COMMANDS")
        .subcommand_value_name("command");
    program.build();
    program
}

fn commands(program: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    program.get_subcommands().filter(|command| !command.is_hide_set())
}

fn command_of<'a>(program: &'a clap::Command, name: &str) -> Result<&'a clap::Command, Failure> {
    commands(program)
        .find(|command| command.get_name() == name)
        .ok_or_else(|| {
            let known: Vec<_> = commands(program).map(clap::Command::get_name).collect();
            let name = name.escape_debug();
            Failure::Usage(format!("there is no command `{name}`; there are {}", known.join(", ")))
        })
}

fn write_all(program: &clap::Command, folder: &Path) -> Result<(), Failure> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |error| Failure::Output { path, error }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    for command in commands(program).chain([program]) {
        let path = folder.join(manual(command).get_filename());
        let written = page(command).and_then(|page| fs::write(&path, page));
        written.map_err(failed(&path))?;
    }
    Ok(())
}

/// The parts of a page in their usual order.
fn page(command: &clap::Command) -> io::Result<Vec<u8>> {
    let (manual, mut page) = (manual(command), Vec::new());
    manual.render_title(&mut page)?;
    manual.render_name_section(&mut page)?;
    manual.render_synopsis_section(&mut page)?;
    manual.render_description_section(&mut page)?;
    manual.render_options_section(&mut page)?;
    let mut own = Roff::new();
    sections::exit_status(&mut own);
    if command.has_subcommands() {
        manual.render_subcommands_section(&mut page)?;
        sections::environment(&mut own);
        sections::files(&mut own);
        sections::examples(&mut own);
    } else {
        sections::see_also(&mut own);
    }
    own.to_writer(&mut page)?;
    Ok(page)
}

/// Section 8 is that of the commands which take an administrator.
fn manual(command: &clap::Command) -> Man {
    Man::new(command.clone())
        .section("8")
        // No date, which the crate would leave out with its place: quoted, nothing is an argument.
        .date("\"\"")
        .source(concat!("conntracer ", env!("CARGO_PKG_VERSION")))
        .manual(NAME)
}

#[cfg(test)]
mod tests {
    use super::super::Arguments;
    use super::*;
    use clap::CommandFactory as _;

    fn text(name: Option<&str>) -> String {
        let program = described(Arguments::command());
        let command = name.map_or(&program, |name| command_of(&program, name).expect("a command"));
        String::from_utf8(page(command).expect("a page")).expect("UTF-8")
    }

    #[test]
    fn the_main_page_has_every_section_and_names_the_page_of_every_command() {
        let page = text(None);
        let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        assert_eq!(
            headings,
            [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "OPTIONS",
                "COMMANDS",
                "\"EXIT STATUS\"",
                "ENVIRONMENT",
                "FILES",
                "EXAMPLES"
            ]
        );
        for command in Arguments::command().get_subcommands() {
            let name = format!("conntracer\\-{}(8)", command.get_name());
            assert!(page.contains(&name), "{name}: {page}");
        }
        assert!(!page.contains(crate::lab::SUBCOMMAND), "{page}");
    }

    #[test]
    fn the_page_of_a_command_has_its_options_and_refers_to_the_main_page() {
        let page = text(Some("audit"));
        assert!(page.contains("conntracer\\-audit \\- Inspect rules"), "{page}");
        for words in ["fail\\-on", ".SH \"EXIT STATUS\"", "conntracer\\fR(8)"] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }

    #[test]
    fn an_unknown_command_is_named_with_those_that_there_are() {
        let program = described(Arguments::command());
        let error = command_of(&program, "x\ny").expect_err("no such command").to_string();
        assert!(error.contains("x\\ny") && error.contains("trace, audit"), "{error}");
    }
}
