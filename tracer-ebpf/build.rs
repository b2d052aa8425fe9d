//! Tells the programs for which processor's kernel they are compiled: `cfg(bpf_target_arch)`.

fn main() -> std::process::ExitCode {
    match aya_build::emit_bpf_target_arch_cfg() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error:#}");
            std::process::ExitCode::SUCCESS
        }
    }
}
