//! Each scenario really fails the way it says, or, for a control, does not. No tracing.

use tracer_user::lab::{self, Backend, Family, Lab, Options, PeerKind};

fn try_it(name: &str, backend: Backend, family: Family, peer: Option<PeerKind>) {
    let scenario = lab::find(name).unwrap();
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
    let mut steps = lab.made().join("\n");
    let driven = lab.drive(&mut |step| {
        steps.push('\n');
        steps.push_str(step)
    });
    if let Err(error) = driven {
        panic!("{error}\n{steps}");
    }
    println!("{steps}");
    assert!(lab.still_hangs().unwrap());
}

#[test]
fn all() {
    let mut bad = 0;
    for s in lab::scenarios() {
        for &b in s.backends {
            for &f in s.families {
                for &p in s.peers {
                    let start = std::time::Instant::now();
                    let r = std::panic::catch_unwind(|| try_it(s.name, b, f, Some(p)));
                    println!(
                        "=== {} {} {} {} {} {:?}",
                        if r.is_ok() {
                            "ok"
                        } else {
                            bad += 1;
                            "FAIL"
                        },
                        s.name,
                        b.name(),
                        f.name(),
                        p.name(),
                        start.elapsed()
                    );
                }
            }
        }
    }
    assert_eq!(bad, 0);
}
