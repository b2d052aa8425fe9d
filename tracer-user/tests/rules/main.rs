//! The reader of rules on the real kernel, with rules that their own tools have loaded. Needs root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod space;

use space::Space;

#[test]
fn probe() {
    let space = Space::with_nft(&std::fs::read_to_string("/tmp/p/mega2.nft").unwrap());
    let shot = space.snapshot();
    println!(
        "{:?} {:?} {:?} {:?}",
        shot.ruleset.generation, shot.ruleset.bypasses, shot.ruleset.gaps, shot.network
    );
    for set in &shot.ruleset.sets {
        println!(
            "{} {} {} {} {:?} {:?}",
            set.name, set.anonymous, set.dynamic, set.incomplete, set.elements, set.default
        );
    }
    for chain in &shot.ruleset.chains {
        println!(
            "{:?} {} {} {:?} {}",
            chain.family, chain.table, chain.name, chain.base, chain.dormant
        );
        for rule in &chain.rules {
            println!("   {:?} {:?} {:?}", rule.handle, rule.comment, rule.items);
        }
    }
}
