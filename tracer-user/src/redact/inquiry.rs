//! What the Tracker asks, and what it is answered.

use super::{Redact, Redactor};
use crate::model::aspect::{Aspect, Attached, Connected, Filter, Leg, Neighbour, Seen, Setting, SocketsTo, Through};
use crate::model::inquiry::{
    Answer, Census, Examined, Inquiry, Listener, Question, Reply, SocketInfo, Stalled, Waiting,
};
use crate::model::walked::{Named, Repeated, Trail, Traveller, Walked};

impl Redact for Inquiry {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            id: _,
            at: _,
            netns: _,
            hint: _,
            question,
        } = self;
        question.redact(by);
    }
}

impl Redact for Question {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::Connection { tuple, target, aspects } => {
                tuple.redact(by);
                target.redact(by);
                aspects.redact(by);
            }
            Self::Walk {
                packets,
                connmark: _,
                aspects,
            } => {
                packets.redact(by);
                aspects.redact(by);
            }
            Self::Link { ifindex: _ } | Self::Sweep | Self::Stalled => {}
        }
    }
}

impl Redact for Traveller {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            at: _,
            tuple,
            place: _,
            ifindex: _,
            tcp_flags: _,
            mark: _,
            uid: _,
            conntrack,
            first: _,
            dropped: _,
        } = self;
        tuple.redact(by);
        conntrack.redact(by);
    }
}

impl Redact for Aspect {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::Setting(path) | Self::DeviceSetting { path, ifindex: _ } => path.redact(by),
            Self::Neighbour(address) => address.redact(by),
            Self::Through {
                destination,
                process: _,
            } => destination.redact(by),
            Self::SocketsTo { source, destination } => {
                source.redact(by);
                destination.redact(by);
            }
            Self::Sockets { local } => local.redact(by),
            Self::ConntrackCount
            | Self::ConnectionsOpened
            | Self::ConntrackStatistics
            | Self::Attached { ifindex: _ }
            | Self::Listeners(_)
            | Self::OtherEnd => {}
        }
    }
}

impl Redact for Answer {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            id: _,
            at: _,
            enter,
            reply,
        } = self;
        enter.redact(by);
        reply.redact(by);
    }
}

impl Redact for Reply {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::Connection(examined) => examined.redact(by),
            Self::Swept(waiting) => waiting.redact(by),
            Self::Stalled(Census { sockets, left_out: _ }) => sockets.redact(by),
            Self::Walked(walked) => walked.redact(by),
            Self::Unreachable(why) => why.redact(by),
            Self::Link(_) | Self::Gone => {}
        }
    }
}

impl Redact for Examined {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            conntrack,
            socket,
            target,
            target_is_local: _,
            listeners,
            seen,
        } = self;
        conntrack.redact(by);
        socket.redact(by);
        target.redact(by);
        listeners.redact(by);
        seen.redact(by);
    }
}

impl Redact for SocketInfo {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            state: _,
            receive_queue: _,
            send_queue: _,
            unacked: _,
            retransmits: _,
            uid: _,
            inode: _,
            process,
            sending: _,
        } = self;
        process.redact(by);
    }
}

impl Redact for Listener {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            address,
            queue: _,
            backlog: _,
            uid: _,
            inode: _,
            process,
        } = self;
        address.redact(by);
        process.redact(by);
    }
}

impl Redact for Waiting {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            netns: _,
            enter,
            listener,
            tuple,
            receive_queue: _,
            conntrack,
            client,
        } = self;
        enter.redact(by);
        listener.redact(by);
        tuple.redact(by);
        conntrack.redact(by);
        client.redact(by);
    }
}

impl Redact for Stalled {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            netns: _,
            enter,
            at: _,
            tuple,
            cookie: _,
            socket,
            unacked: _,
            backoff: _,
            rto: _,
            left: _,
        } = self;
        enter.redact(by);
        tuple.redact(by);
        socket.redact(by);
    }
}

impl Redact for Walked {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            generation: _,
            read_at: _,
            changed: _,
            rules: _,
            trails,
            setters,
            caveats,
            seen,
        } = self;
        trails.redact(by);
        setters.redact(by);
        caveats.redact(by);
        seen.redact(by);
    }
}

impl Redact for Trail {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            rules,
            end: _,
            agrees: _,
            certain: _,
            destination,
            connmark: _,
            repeated,
        } = self;
        for Named {
            role: _,
            rule,
            certain: _,
        } in rules
        {
            rule.redact(by);
        }
        destination.redact(by);
        for Repeated { first, second } in repeated {
            first.redact(by);
            second.redact(by);
        }
    }
}

impl Redact for Seen {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::Setting(setting) => setting.redact(by),
            Self::Neighbour(Neighbour { address, state: _ }) => address.redact(by),
            Self::Attached(attached) => attached.redact(by),
            Self::Through(Through { legs, left_out: _ }) => legs.redact(by),
            Self::SocketsTo(sockets) => sockets.redact(by),
            Self::Listening(listener) => listener.redact(by),
            Self::Sockets { local, sockets } => {
                local.redact(by);
                sockets.redact(by);
            }
            Self::ConntrackCount(_) | Self::ConnectionsOpened(_) | Self::ConntrackStatistics(_) => {}
        }
    }
}

impl Redact for Setting {
    fn redact(&mut self, by: &Redactor) {
        let Self { path, value } = self;
        path.redact(by);
        value.redact(by);
    }
}

impl Redact for Attached {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            device,
            filters,
            xdp: _,
        } = self;
        device.redact(by);
        for filter in filters {
            let Filter {
                egress: _,
                kind,
                preference: _,
                handle: _,
                drops: _,
                program,
            } = filter;
            kind.redact(by);
            program.redact(by);
        }
    }
}

impl Redact for Leg {
    fn redact(&mut self, by: &Redactor) {
        let Self { tuple, entry, socket } = self;
        tuple.redact(by);
        entry.redact(by);
        socket.redact(by);
    }
}

impl Redact for Connected {
    fn redact(&mut self, by: &Redactor) {
        let Self { tuple, socket } = self;
        tuple.redact(by);
        socket.redact(by);
    }
}

impl Redact for SocketsTo {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            destination,
            sockets: _,
            time_wait: _,
            holder,
            range: _,
            taken: _,
        } = self;
        destination.redact(by);
        if let Some((process, _)) = holder {
            process.redact(by);
        }
    }
}
