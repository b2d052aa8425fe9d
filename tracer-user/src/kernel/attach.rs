//! Attaches one hook in one way, and says how far a refusal reaches: this way, or everything of its kind.

use crate::kernel::hooks::Way;
use crate::kernel::symbols;
use crate::model::hook::How;
use aya::programs::kprobe::KProbeError;
use aya::programs::{Program, ProgramError};
use aya::{Btf, Ebpf};
use std::io;

/// The links of a hook's programs; they are detached when this is dropped.
pub(super) struct Attached {
    pub(super) way: Way,
    _links: Vec<Link>,
}

/// What keeps a program attached, of any kind.
type Link = Box<dyn Send>;

/// Why a hook cannot be attached in a way.
#[derive(Debug)]
pub(super) enum Refused {
    /// The kernel takes no fentry and fexit program at all.
    Trampolines(String),
    /// The kernel takes no kprobe at all.
    Kprobes(String),
    /// Only this way is closed.
    Way(String),
}

/// Loads the programs of the way, unless they are, and attaches them all, or none.
pub(super) fn attach(ebpf: &mut Ebpf, way: Way, btf: Option<&Btf>) -> Result<Attached, Refused> {
    let mut links = Vec::with_capacity(way.programs.len());
    for name in way.programs {
        let link = attach_program(ebpf, name, way.target, btf).map_err(|error| refusal(way, &error))?;
        links.push(link);
    }
    Ok(Attached { way, _links: links })
}

/// Loads a program, if it is not loaded; the verifier's verdict in one line.
pub(super) fn load(ebpf: &mut Ebpf, name: &str, target: &str, btf: &Btf) -> Result<(), String> {
    load_program(ebpf, name, target, Some(btf)).map_err(|error| explain(&error))
}

fn load_program(ebpf: &mut Ebpf, name: &str, target: &str, btf: Option<&Btf>) -> Result<(), ProgramError> {
    let unknown = || ProgramError::InvalidName { name: name.to_owned() };
    let program = ebpf.program_mut(name).ok_or_else(unknown)?;
    let btf = || btf.ok_or_else(unknown);
    if program.fd().is_ok() {
        Ok(())
    } else if let Program::BtfTracePoint(program) = program {
        program.load(target, btf()?)
    } else if let Program::FEntry(program) = program {
        program.load(target, btf()?)
    } else if let Program::FExit(program) = program {
        program.load(target, btf()?)
    } else if let Program::KProbe(program) = program {
        program.load()
    } else {
        Err(unknown())
    }
}

fn attach_program(ebpf: &mut Ebpf, name: &str, target: &str, btf: Option<&Btf>) -> Result<Link, ProgramError> {
    load_program(ebpf, name, target, btf)?;
    let unknown = || ProgramError::InvalidName { name: name.to_owned() };
    let program = ebpf.program_mut(name).ok_or_else(unknown)?;
    macro_rules! attached {
        ($program:ident, $id:expr) => {{
            let id = $id?;
            Ok(Box::new($program.take_link(id)?))
        }};
    }
    if let Program::BtfTracePoint(program) = program {
        attached!(program, program.attach())
    } else if let Program::FEntry(program) = program {
        attached!(program, program.attach())
    } else if let Program::FExit(program) = program {
        attached!(program, program.attach())
    } else if let Program::KProbe(program) = program {
        attached!(program, program.attach(target, 0))
    } else {
        Err(unknown())
    }
}

fn refusal(way: Way, error: &ProgramError) -> Refused {
    let whole = |error: &io::Error| format!("refused by this kernel, whatever the function ({error})");
    let is_trampoline = matches!(way.how, How::Fentry | How::Fexit);
    if is_trampoline && let Some(error) = refuses_trampolines(error) {
        return Refused::Trampolines(whole(error));
    }
    if matches!(way.how, How::Kprobe | How::Kretprobe) {
        if let ProgramError::KProbeError(KProbeError::FileError { io_error, .. }) = error
            && io_error.kind() == io::ErrorKind::NotFound
        {
            return Refused::Kprobes("this kernel has none (CONFIG_KPROBE_EVENTS)".into());
        }
        if let ProgramError::SyscallError(error) = error {
            let kind = error.io_error.kind();
            if kind == io::ErrorKind::PermissionDenied {
                return Refused::Kprobes(whole(&error.io_error));
            }
            if kind == io::ErrorKind::NotFound {
                return Refused::Way(no_such_function(way.target, &error.io_error));
            }
        }
    }
    Refused::Way(explain(error))
}

/// The kernel's answer, if it did not even look at the program: no verifier said a word, or the processor has no
/// trampolines (arm64 up to 6.3).
fn refuses_trampolines(error: &ProgramError) -> Option<&io::Error> {
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        let unseen = io_error.raw_os_error() == Some(libc::EPERM) && verifier_log.to_string().trim().is_empty();
        return unseen.then_some(io_error);
    }
    let ProgramError::SyscallError(error) = error else {
        return None;
    };
    let unsupported = matches!(error.io_error.raw_os_error(), Some(ENOTSUPP | libc::EOPNOTSUPP));
    unsupported.then_some(&error.io_error)
}

/// A kprobe found no function of its name: compilers rename what they change, and inline the rest.
fn no_such_function(target: &str, error: &io::Error) -> String {
    match symbols::renamed(target).as_slice() {
        [] => format!("no function {target} can be probed: it is inlined, or this kernel has none ({error})"),
        names => format!("{target} exists only as {}: the compiler changed it", names.join(", ")),
    }
}

/// The error in one line: of the verifier's log only what it says last before its statistics.
pub(super) fn explain(error: &ProgramError) -> String {
    let ProgramError::LoadError { io_error, verifier_log } = error else {
        return chain(error);
    };
    let log = verifier_log.to_string();
    let is_statistics = |line: &str| STATISTICS.iter().any(|start| line.starts_with(start));
    let verdict = log.lines().rev().find(|line| !line.is_empty() && !is_statistics(line));
    match verdict {
        Some(verdict) => format!("the kernel's verifier refused it ({io_error}): {verdict}"),
        None => format!("the kernel refused it: {io_error}"),
    }
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// How the lines begin that the verifier ends its log with, whatever it found.
const STATISTICS: [&str; 3] = ["processed ", "stack depth ", "verification time "];
/// The kernel's own number for "not supported", which no header of user space has.
const ENOTSUPP: i32 = 524;
