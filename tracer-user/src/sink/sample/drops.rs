//! Findings of drops that no rule makes.

use super::findings::{connection, dropped, finding, redirected, syn_again};
use crate::model::aspect::{Neighbour, NeighbourState, Seen, Setting};
use crate::model::evidence::{Evidence, Place};
use crate::model::finding::{Cause, Culprit, Finding};
use crate::model::reason::DropReason;
use crate::model::tcp::SYN;
use crate::sink::sample::{POD, attached, ms, setting, statistics};

fn drop_for(reason: DropReason) -> Evidence {
    let mut drop = dropped(Place::Output, connection().tuple, SYN, None, false);
    if let Evidence::Drop { reason: of, .. } = &mut drop {
        *of = reason;
    }
    drop
}

fn aspect(seen: Seen) -> Evidence {
    Evidence::Aspect {
        at: ms(100),
        netns: POD,
        seen,
    }
}

fn sysctl(setting: Setting) -> Culprit {
    Culprit::Sysctl {
        netns: POD,
        enter: Some("/run/netns/pod".into()),
        setting,
    }
}

pub(super) fn reverse_path_filtered() -> Finding {
    let evidence = vec![
        drop_for(DropReason::IpRpfilter),
        aspect(Seen::Setting(setting())),
        syn_again(),
    ];
    Finding {
        culprits: vec![sysctl(setting())],
        ..finding(Cause::ReversePathFiltered, connection(), evidence)
    }
}

pub(super) fn unreachable_target() -> Finding {
    let neighbour = Neighbour {
        address: [10, 77, 0, 9].into(),
        state: NeighbourState::Failed,
    };
    let evidence = vec![
        drop_for(DropReason::NeighFailed),
        aspect(Seen::Neighbour(neighbour)),
        Evidence::Errno {
            at: ms(3_080),
            errno: 113,
        },
    ];
    finding(Cause::UnreachableTarget, redirected(), evidence)
}

pub(super) fn conntrack_exhausted() -> Finding {
    let max = Setting {
        path: "net/netfilter/nf_conntrack_max".into(),
        value: "262144".into(),
    };
    let evidence = vec![
        drop_for(DropReason::Netfilter),
        aspect(Seen::ConntrackCount(262_144)),
        aspect(statistics()),
        syn_again(),
    ];
    Finding {
        culprits: vec![sysctl(max)],
        ..finding(Cause::ConntrackExhausted, connection(), evidence)
    }
}

/// A filter and a program: which of them cannot be told.
pub(super) fn dropped_by_tc() -> Finding {
    let evidence = vec![drop_for(DropReason::TcEgress), aspect(attached()), syn_again()];
    Finding {
        culprits: Vec::new(),
        ..finding(Cause::DroppedInKernel, connection(), evidence)
    }
}
