//! What tracing costs, in words.

use crate::sink::cost::{Cost, ProbeCost, Rate, Share};
use crate::sink::jsont::Spell as _;
use crate::sink::text::Shown;
use crate::sink::words::{bytes, thousands};
use std::borrow::Cow;
use std::cmp::Reverse;

/// `0.03 % of a core (probes 0.01 %, 12 us/s; program 0.02 %), 13.0 MiB (5.0 MiB resident, 8.0 MiB maps), ring at most
/// 3 % full`; what is not known is left out, but that the probes were not measured is said.
pub fn cost(cost: &Cost) -> String {
    let parts = [time(cost), memory(cost), ring(cost)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `12 closed, 3 drop`; `None`: nothing.
pub fn lost(cost: &Cost) -> Option<String> {
    let lost = cost.lost.iter();
    let lost: Vec<_> = lost
        .map(|(event, count)| format!("{} {}", thousands(*count), event.spell()))
        .collect();
    (!lost.is_empty()).then(|| lost.join(", "))
}

/// Each hook that ran, the most expensive one first: `kfree_skb 1,234/s, 94 ns each, 116 us/s`.
pub fn hooks(probes: &ProbeCost) -> Vec<String> {
    let mut hooks: Vec<_> = probes.hooks.iter().filter(|(_, rate)| rate.runs > 0).collect();
    hooks.sort_by_key(|(_, rate)| Reverse(rate.nanos));
    let line = |(name, rate): &&(Cow<'_, str>, Rate)| {
        let each = rate.nanos / rate.runs;
        let (name, runs) = (Shown(name.as_bytes()), thousands(rate.runs));
        format!("{name} {runs}/s, {each} ns each, {}", spent(*rate))
    };
    hooks.iter().map(line).collect()
}

fn time(cost: &Cost) -> Option<String> {
    let all = share(cost.share()?);
    let program = cost.process.map(share);
    Some(match (&cost.probes, program) {
        (Some(probes), Some(program)) => {
            let (part, spent) = (share(probes.share()), spent(probes.total()));
            format!("{all} of a core (probes {part}, {spent}; program {program})")
        }
        (Some(probes), None) => format!("{all} of a core (probes, {})", spent(probes.total())),
        (None, _) => format!("{all} of a core (program; probes not measured)"),
    })
}

fn memory(cost: &Cost) -> Option<String> {
    match (cost.resident_bytes, cost.map_bytes) {
        (Some(resident), Some(maps)) => {
            let all = bytes(resident.saturating_add(maps));
            let (resident, maps) = (bytes(resident), bytes(maps));
            Some(format!("{all} ({resident} resident, {maps} maps)"))
        }
        (Some(resident), None) => Some(format!("{} resident", bytes(resident))),
        (None, Some(maps)) => Some(format!("{} maps", bytes(maps))),
        (None, None) => None,
    }
}

fn ring(cost: &Cost) -> Option<String> {
    let (most, size) = (cost.ring_high_water?, cost.ring_bytes?);
    let percent = u128::from(most) * 100;
    let percent = percent.checked_div(size.into())?;
    Some(match percent {
        0 => "ring less than 1 % full".to_owned(),
        percent => format!("ring at most {percent} % full"),
    })
}

fn share(share: Share) -> String {
    let percent = share.percent();
    if percent > 0.0 && percent < 0.01 {
        "< 0.01 %".to_owned()
    } else {
        format!("{percent:.2} %")
    }
}

/// `820 ns/s`, `12 us/s`, `1.4 ms/s`.
fn spent(rate: Rate) -> String {
    match rate.nanos {
        nanos @ 0..10_000 => format!("{} ns/s", thousands(nanos)),
        nanos @ 10_000..1_000_000 => format!("{} us/s", nanos / 1_000),
        nanos => format!("{}.{} ms/s", thousands(nanos / 1_000_000), nanos / 100_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn probes(hooks: &[(&'static str, u64, u64)]) -> ProbeCost {
        let hooks = hooks
            .iter()
            .map(|&(name, runs, nanos)| (name.into(), Rate { runs, nanos }));
        ProbeCost {
            hooks: hooks.collect(),
            ..ProbeCost::default()
        }
    }

    #[test]
    fn what_is_not_known_is_left_out_and_unmeasured_probes_are_named() {
        assert_eq!(cost(&Cost::default()), "");
        let process = Some(Share::of(Duration::from_micros(5), Duration::from_secs(1)));
        let mut known = Cost {
            process,
            map_bytes: Some(8 << 20),
            ring_high_water: Some(40),
            ring_bytes: Some(4096),
            ..Cost::default()
        };
        assert_eq!(
            cost(&known),
            "< 0.01 % of a core (program; probes not measured), 8.0 MiB maps, ring less than 1 % full"
        );
        known.probes = Some(probes(&[("a", 1, 1_400_000), ("b", 2, 50_000)]));
        known.ring_high_water = Some(4096);
        assert_eq!(
            cost(&known),
            "0.15 % of a core (probes 0.14 %, 1.4 ms/s; program < 0.01 %), 8.0 MiB maps, ring at most 100 % full"
        );
    }

    #[test]
    fn hooks_that_ran_are_told_the_most_expensive_one_first() {
        let told = hooks(&probes(&[("a", 10, 820), ("never", 0, 0), ("b", 1_200, 120_000)]));
        assert_eq!(
            told,
            ["b 1,200/s, 100 ns each, 120 us/s", "a 10/s, 82 ns each, 820 ns/s"]
        );
    }
}
