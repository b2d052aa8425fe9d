//! The contract's lines, written down a second time: reading fails at a field that is not here.

#![expect(
    dead_code,
    clippy::struct_field_names,
    reason = "the types only say which fields there are"
)]

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Reads a line strictly and returns its type.
pub(super) fn read(line: &str) -> Result<String, serde_json::Error> {
    let mut object: BTreeMap<String, Value> = serde_json::from_str(line)?;
    let head = ["v", "type", "time", "mono", "seq"].map(|key| (key.to_owned(), object.remove(key).unwrap_or_default()));
    let head: Head = serde_json::from_value(Value::Object(head.into_iter().collect()))?;
    let session = (head.kind != "hello").then(|| object.remove("session")).flatten();
    assert!(
        head.kind == "hello" || session.is_some_and(|session| session.is_string()),
        "{line}"
    );
    let body = Value::Object(object.into_iter().collect());
    let good = head.v == 1 && head.time.len() == 30 && head.time.ends_with('Z') && head.mono.parse::<u64>().is_ok();
    assert!(good, "{line}");
    match head.kind.as_str() {
        "hello" => strict::<Hello>(body),
        "event" => strict::<Event>(body),
        "inquiry" => strict::<Inquiry>(body),
        "answer" => strict::<Answer>(body),
        "deadline" => strict::<Nothing>(body),
        "finding" => strict::<Finding>(body),
        "stolen-port" => strict::<Port>(body),
        "stats" => strict::<Stats>(body),
        "loss" => strict::<Loss>(body),
        "summary" => strict::<Summary>(body),
        other => panic!("no such type: {other}"),
    }?;
    Ok(head.kind)
}

fn strict<T: DeserializeOwned>(body: Value) -> Result<(), serde_json::Error> {
    serde_json::from_value::<T>(body).map(|_| ())
}

macro_rules! objects {
    ($($name:ident { $($field:ident: $type:ty,)* })*) => {$(
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name { $($field: $type,)* }
    )*};
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    v: u64,
    #[serde(rename = "type")]
    kind: String,
    time: String,
    mono: String,
    seq: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    #[serde(rename = "type")]
    kind: NetworkType,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum NetworkType {
    Ipv4,
    Ipv6,
}

objects! {
    Nothing {}
    Endpoint { address: IpAddr, port: Option<u16>, }
    Tuple { source: Endpoint, destination: Endpoint, }
    Netns { inode: Option<u32>, cookie: Option<String>, name: Option<String>, }
    Id { id: u32, }
    Executable { name: String, }
    Process { pid: u32, user: Option<Id>, executable: Option<Executable>, cgroup_id: Option<String>, }
    Conntrack {
        original: Tuple,
        reply: Tuple,
        status: Vec<String>,
        state: Option<String>,
        mark: u32,
        zone: u16,
        id: Option<u32>,
    }
    Connection {
        id: Option<u64>,
        socket: Option<String>,
        source: Option<Endpoint>,
        destination: Option<Endpoint>,
        translated: Option<Tuple>,
        direction: Option<String>,
        network: Option<Network>,
        netns: Netns,
        state: Option<String>,
        started: Option<String>,
        age_ms: Option<u64>,
        syn_retransmits: Option<u32>,
        retransmits: Option<u32>,
        unacked_bytes: Option<u32>,
        rto_ns: Option<u64>,
        latency_us: Option<u64>,
        process: Option<Program>,
        container: Option<Container>,
        k8s: Option<Kubernetes>,
    }
    File { name: Option<String>, path: Option<String>, }
    Program {
        pid: u32,
        user: Option<Id>,
        executable: Option<File>,
        command_line: Option<String>,
        cgroup_id: Option<String>,
    }
    Kubernetes { pod: Pod, namespace: Option<KubernetesName>, }
    Pod { name: Option<String>, uid: Option<String>, label: Option<BTreeMap<String, String>>, }
    KubernetesName { name: String, }
    IdentityLine {
        executable: Option<File>,
        command_line: Option<String>,
        container: Option<Container>,
        k8s: Option<Kubernetes>,
    }
    Port {
        netns: Netns,
        container: Option<Container>,
        k8s: Option<Kubernetes>,
        process: Option<Process>,
        class: String,
        manner: String,
        family: String,
        hook: Option<String>,
        protocol: String,
        original: Original,
        target: Target,
        conditions: Option<Vec<String>>,
        more_conditions: Option<bool>,
        owner: Option<String>,
        packets: Option<u64>,
        connections: Option<u64>,
        listening: Option<bool>,
        listener: Option<PortListener>,
        rule: Option<PortRule>,
    }
    Container { id: String, name: Option<String>, runtime: Option<String>, }
    Original {
        addresses: Option<Vec<String>>,
        except_addresses: Option<Vec<String>>,
        ports: Option<Vec<PortRange>>,
    }
    PortRange { first: u16, last: u16, }
    Target {
        address: Option<IpAddr>,
        last_address: Option<IpAddr>,
        port: Option<u16>,
        last_port: Option<u16>,
        local: bool,
        unknown: Option<String>,
    }
    PortListener { address: IpAddr, port: u16, pid: Option<u32>, name: Option<String>, }
    PortRule {
        backend: String,
        family: String,
        table: String,
        chain: String,
        hook: Option<String>,
        index: Option<u32>,
        handle: Option<u64>,
        text: String,
        comment: Option<String>,
        owner: Option<String>,
        packets: Option<u64>,
    }
    Event {
        event: String,
        cpu: u32,
        connection: Connection,
        process: Option<Process>,
        thread: Option<Id>,
        by: Option<Process>,
        errno: Option<u32>,
        rst: Option<Rst>,
        drop: Option<Drop>,
        packet: Option<Packet>,
        conntrack: Option<Conntrack>,
    }
    Rst { maker: String, reason: Option<String>, active: bool, }
    Drop { reason: String, location: Option<String>, }
    Packet {
        source: Endpoint,
        destination: Endpoint,
        mark: u32,
        ifindex: Option<u32>,
        tcp_flags: Vec<String>,
        sequence: u32,
        acknowledgement: u32,
    }
    Inquiry {
        id: u64,
        question: String,
        netns: Netns,
        hint: Option<u32>,
        connection: Option<Tuple>,
        target: Option<Endpoint>,
        ifindex: Option<u32>,
        packets: Option<Vec<Traveller>>,
        connmark: Option<u32>,
        aspects: Option<Vec<Value>>,
        process: Option<Process>,
    }
    Answer {
        id: u64,
        answer: String,
        enter: Option<String>,
        examined: Option<Examined>,
        netns: Option<Netns>,
        waiting: Option<Vec<Waiting>>,
        stalled: Option<Vec<Stalled>>,
        left_out: Option<u32>,
        walked: Option<Walked>,
        identity: Option<IdentityLine>,
        why: Option<String>,
    }
    Examined {
        conntrack: Option<Conntrack>,
        socket: Option<Socket>,
        target: Endpoint,
        target_is_local: bool,
        listeners: Vec<Listener>,
        seen: Option<Vec<Value>>,
    }
    Waiting {
        netns: Netns,
        enter: Option<String>,
        listener: Listener,
        connection: Tuple,
        receive_queue: u32,
        conntrack: Option<Conntrack>,
        client: Option<Socket>,
    }
    Traveller {
        seen: String,
        packet: Tuple,
        place: String,
        ifindex: Option<u32>,
        tcp_flags: Vec<String>,
        mark: Option<u32>,
        uid: Option<u32>,
        conntrack: Option<Conntrack>,
        first: bool,
        dropped: bool,
    }
    Walked {
        generation: Option<u32>,
        read: String,
        changed: Option<bool>,
        rules: u32,
        trails: Vec<Trail>,
        setters: Option<Vec<Rule>>,
        caveats: Option<Vec<String>>,
        seen: Option<Vec<Value>>,
    }
    Trail {
        rules: Vec<Named>,
        end: String,
        agrees: bool,
        certain: bool,
        destination: Option<Endpoint>,
        connmark: Option<u32>,
        repeated: Option<Vec<Repeated>>,
    }
    Repeated { first: Rule, second: Rule, }
    Named { role: String, rule: Rule, certain: bool, }
    Rule {
        backend: String,
        family: String,
        table: String,
        chain: String,
        hook: Option<String>,
        index: Option<u32>,
        handle: Option<u64>,
        text: String,
        comment: Option<String>,
        owner: Option<String>,
        packets: Option<u64>,
    }
    Stalled {
        netns: Netns,
        enter: Option<String>,
        seen: String,
        connection: Tuple,
        cookie: Option<String>,
        socket: Socket,
        unacked_bytes: u32,
        backoff: u8,
        rto_ns: Option<u64>,
        left_ns: u64,
    }
    Socket {
        state: Option<String>,
        receive_queue: u32,
        send_queue: u32,
        unacked: Option<u32>,
        retransmits: u8,
        uid: u32,
        inode: Option<u32>,
        process: Option<Process>,
        sending: Option<Sending>,
    }
    Sending {
        mss: u32,
        path_mtu: u32,
        in_flight_bytes: u32,
        sacked: u32,
        acked_bytes: u64,
        window: Option<u32>,
        last_heard_ms: u64,
    }
    Listener {
        address: IpAddr,
        port: Option<u16>,
        queue: u32,
        backlog: u32,
        uid: u32,
        inode: Option<u32>,
        process: Option<Process>,
    }
    Finding {
        id: u64,
        revision: u32,
        supersedes: Option<u64>,
        cause: String,
        state: String,
        severity: String,
        confidence: String,
        summary: String,
        connection: Option<Connection>,
        count: u64,
        hanging: Option<u64>,
        not_examined: Option<u64>,
        lost: Option<u64>,
        examples: Option<Vec<Connection>>,
        victims: Option<Vec<Connection>>,
        process: Option<Program>,
        container: Option<Container>,
        k8s: Option<Kubernetes>,
        culprits: Vec<Culprit>,
        evidence: Vec<Evidence>,
        considered: Vec<Considered>,
        fixes: Vec<Fix>,
        checks: Option<Vec<Check>>,
        first: String,
        last: String,
    }
    Considered { cause: String, why_not: String, }
    Check { netns: Option<String>, command: String, why: String, }
    Fix { kind: String, netns: Option<String>, command: Option<String>, why: String, }
    Hello {
        session: String,
        boot_id: Option<String>,
        part: u32,
        host: Host,
        kernel: Kernel,
        version: String,
        options: BTreeMap<String, String>,
        hooks: Vec<Hook>,
    }
    Host { name: Option<String>, arch: String, }
    Kernel { release: String, }
    Hook { hook: String, how: String, reason: Option<String>, weakens: Option<Vec<String>>, }
    Stats {
        hooks: Vec<HookStats>,
        ring: Option<Ring>,
        tracked: u64,
        evictions: u64,
        cpu_ms: Option<u64>,
        resident_bytes: Option<u64>,
        map_bytes: Option<u64>,
        cost: Option<Cost>,
        lost: Option<BTreeMap<String, u64>>,
        watermark: Option<String>,
    }
    Cost {
        probe_ns_per_s: Option<u64>,
        probe_runs_per_s: Option<u64>,
        measured_ms: Option<u64>,
        clock_ns: Option<u64>,
        cpu_percent: Option<CpuPercent>,
        ring_high_water_bytes: Option<u64>,
        ring_bytes: Option<u64>,
        resident_bytes: Option<u64>,
        map_bytes: Option<u64>,
        lost: Option<BTreeMap<String, u64>>,
        hooks: Option<Vec<HookRate>>,
    }
    CpuPercent { process: Option<f64>, probes: Option<f64>, }
    HookRate { hook: String, runs_per_s: u64, ns_per_s: u64, }
    Ring { high_water_bytes: Option<u64>, bytes: Option<u64>, }
    HookStats {
        hook: String,
        runs: Option<String>,
        nanoseconds: Option<String>,
        lost: u64,
        recursion_misses: Option<u64>,
        suppressed: u64,
        filtered: u64,
        failed_reads: u64,
        table_full: u64,
    }
    Loss { hook: Option<String>, queue: Option<String>, cpu: Option<u32>, lost: u64, }
    Summary {
        duration_ms: u64,
        inspected: Option<u64>,
        events: u64,
        connections: Connections,
        findings: BTreeMap<String, u64>,
        lost: u64,
        evictions: u64,
        unresolved_inquiries: u64,
        cost: Option<Cost>,
    }
    Connections { established: Option<u64>, refused: u64, aborted: u64, given_up: u64, }
}

#[expect(clippy::large_enum_variant, reason = "read and dropped at once")]
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Culprit {
    Rule {
        netns: Netns,
        role: String,
        evidence: Option<usize>,
        backend: Option<String>,
        family: Option<String>,
        table: Option<String>,
        chain: Option<String>,
        hook: Option<String>,
        index: Option<u32>,
        handle: Option<u64>,
        text: Option<String>,
        comment: Option<String>,
        owner: Option<String>,
        packets: Option<u64>,
        container: Option<Container>,
        k8s: Option<Kubernetes>,
    },
    ConntrackEntry {
        original: Tuple,
        reply: Tuple,
        status: Vec<String>,
        state: Option<String>,
        mark: u32,
        zone: u16,
        id: Option<u32>,
    },
    Listener {
        address: IpAddr,
        port: Option<u16>,
        queue: u32,
        backlog: u32,
        uid: u32,
        inode: Option<u32>,
        process: Option<Process>,
        container: Option<Container>,
        k8s: Option<Kubernetes>,
    },
    Sysctl {
        netns: Netns,
        path: String,
        value: String,
        container: Option<Container>,
        k8s: Option<Kubernetes>,
    },
    Process {
        pid: u32,
        user: Option<Id>,
        executable: Option<File>,
        command_line: Option<String>,
        cgroup_id: Option<String>,
        container: Option<Container>,
        k8s: Option<Kubernetes>,
    },

    Peer {
        address: IpAddr,
        port: Option<u16>,
        maker: String,
    },
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Evidence {
    Drop {
        time: String,
        from: String,
        count: u32,
        reason: String,
        location: Option<String>,
        netns: Netns,
        place: String,
        direction: Option<String>,
        packet: Tuple,
        tcp_flags: Vec<String>,
        mark: u32,
        conntrack: Option<Conntrack>,
        rejected: bool,
        ambiguous: bool,
    },
    RstSent {
        time: String,
        from: Option<String>,
        netns: Netns,
        maker: String,
        reason: Option<String>,
        packet: Option<Tuple>,
    },
    RstReceived {
        time: String,
        from: String,
        state: Option<String>,
    },
    Destroyed {
        time: String,
        from: String,
        state: Option<String>,
        by: Option<Process>,
    },
    Errno {
        time: String,
        errno: u32,
    },
    Retransmits {
        time: String,
        from: String,
        since: String,
        count: u32,
        unacked_bytes: u32,
        syn: bool,
    },
    Conntrack {
        time: String,
        from: String,
        conntrack: Conntrack,
        queried: bool,
    },
    NoConntrack {
        time: String,
        from: String,
    },
    ConntrackDeleted {
        time: String,
        from: String,
        conntrack: Conntrack,
        by: Option<Process>,
    },
    NoListener {
        time: String,
        from: String,
        address: IpAddr,
        port: Option<u16>,
    },
    Listener {
        time: String,
        from: String,
        listener: Listener,
    },
    Socket {
        time: String,
        from: String,
        socket: Socket,
    },
    NotAccepted {
        time: String,
        from: String,
        since: String,
        connection: Tuple,
        receive_queue: u32,
    },
    ResetsRecur {
        time: String,
        since: String,
        resets: u32,
        opened: u64,
    },
    GaveUp {
        time: String,
        count: u32,
    },
    RulesWalked {
        time: String,
        from: String,
        netns: Netns,
        generation: Option<u32>,
        rules: u32,
        changed: Option<bool>,
        packet: Tuple,
        end: String,
        agrees: bool,
        certain: bool,
        caveats: Option<Vec<String>>,
    },
    MarkSetter {
        time: String,
        from: String,
        netns: Netns,
        connmark: u32,
        rules: u32,
        decides: Option<bool>,
    },
    RepeatedJump {
        time: String,
        from: String,
        netns: Netns,
        first: Rule,
        second: Rule,
    },
    Expiry {
        time: String,
        from: String,
        kept_ms: u64,
        ends: Option<String>,
    },
    RulesNotRead {
        time: String,
        netns: Netns,
        why: String,
    },
    Inspected {
        time: String,
        from: String,
        netns: Netns,
        what: String,
        hook: Option<String>,
        family: Option<String>,
        protocol: Option<u8>,
        ports: Option<Vec<Ports>>,
        target: Option<Ports>,
        owner: Option<String>,
        processes: Option<u32>,
        chains: Option<Vec<ChainLine>>,
        mark: Option<String>,
        bits: Option<u32>,
        erases: Option<bool>,
        hooks: Option<Vec<String>>,
        legacy: Option<u32>,
        nft: Option<u32>,
        translates: Option<bool>,
        first: Option<String>,
        address: Option<IpAddr>,
        port: Option<u16>,
        packets: Option<u32>,
        arrived: Option<u32>,
        missed: Option<Vec<u16>>,
        on: Option<bool>,
    },
    /// The schema knows the fields of each.
    Aspect(Value),
    NotExamined {
        time: String,
        why: String,
    },
}

objects! {
    Ports { first: u16, last: u16, }
    ChainLine { backend: String, family: String, table: String, chain: String, }
}
