-- The tables of a fleet's findings, for ClickHouse 24.8 or newer. Running it again changes nothing.
--
-- A collector writes every line of conntracer into `lines`, once or more often. Views make the other tables of it, each
-- keyed so that the same line twice is one row: ReplacingMergeTree forgets the copies when it merges, and FINAL does so
-- when it reads. A field that this schema does not know stays in `lines`; one that a line does not have is '' or 0 here,
-- or NULL where 0 would say something. Addresses are IPv6, an IPv4 address as ::ffff:a.b.c.d.

CREATE DATABASE IF NOT EXISTS conntracer;

-- Each line as it was written. `session` and `seq` name it: within a session `seq` has no gaps, so a gap here is a line
-- that the collector lost. Take a session out in the order of `seq`, and `conntracer replay` finds the same again.
CREATE TABLE IF NOT EXISTS conntracer.lines
(
    host     LowCardinality(String),
    file     String,
    session  UUID,
    seq      UInt64,
    type     LowCardinality(String),
    time     DateTime64(9, 'UTC'),
    line     String CODEC(ZSTD(3)),
    received DateTime('UTC') DEFAULT now()
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(time)
ORDER BY (session, seq)
TTL toDateTime(time) + INTERVAL 7 DAY
SETTINGS ttl_only_drop_parts = 1;

-- What the collector could not take for a line of this schema, and why.
CREATE TABLE IF NOT EXISTS conntracer.unread
(
    host     LowCardinality(String),
    file     String,
    why      LowCardinality(String),
    line     String CODEC(ZSTD(3)),
    received DateTime('UTC') DEFAULT now(),
    digest   UInt64 MATERIALIZED cityHash64(line)
)
ENGINE = ReplacingMergeTree
ORDER BY (host, why, file, digest)
TTL received + INTERVAL 7 DAY;

-- Who traced, where, and how each hook ran: a row for each part of a session's files.
CREATE TABLE IF NOT EXISTS conntracer.sessions
(
    host      LowCardinality(String),
    session   UUID,
    part      UInt32,
    time      DateTime64(9, 'UTC'),
    host_name LowCardinality(String),
    arch      LowCardinality(String),
    kernel    LowCardinality(String),
    version   LowCardinality(String),
    boot_id   String,
    options   Map(LowCardinality(String), String),
    hooks     Array(Tuple(hook String, how String, reason String, weakens Array(String)))
)
ENGINE = ReplacingMergeTree
ORDER BY (host, session, part)
TTL toDateTime(time) + INTERVAL 400 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS conntracer.lines_to_sessions TO conntracer.sessions AS
SELECT
    host,
    session,
    JSONExtract(line, 'part', 'UInt32') AS part,
    time,
    JSONExtractString(line, 'host', 'name') AS host_name,
    JSONExtractString(line, 'host', 'arch') AS arch,
    JSONExtractString(line, 'kernel', 'release') AS kernel,
    JSONExtractString(line, 'version') AS version,
    JSONExtractString(line, 'boot_id') AS boot_id,
    JSONExtract(line, 'options', 'Map(String, String)') AS options,
    JSONExtract(line, 'hooks', 'Array(Tuple(hook String, how String, reason String, weakens Array(String)))') AS hooks
FROM conntracer.lines
WHERE type = 'hello';

-- One row for each finding: that of its last revision. `owner` is that of the first rule among the culprits that has one.
-- `who` is whom it happens to, as precisely as it is known.
CREATE TABLE IF NOT EXISTS conntracer.findings
(
    host                   LowCardinality(String),
    session                UUID,
    id                     UInt64,
    revision               UInt32,
    time                   DateTime64(9, 'UTC'),
    cause                  LowCardinality(String),
    state                  LowCardinality(String),
    severity               LowCardinality(String),
    confidence             LowCardinality(String),
    summary                String,
    connections            UInt64,
    not_examined           UInt64,
    supersedes             Nullable(UInt64),
    first                  DateTime64(9, 'UTC'),
    last                   DateTime64(9, 'UTC'),
    direction              LowCardinality(String),
    source_address         IPv6,
    source_port            UInt16,
    destination_address    IPv6,
    destination_port       UInt16,
    translated_address     IPv6,
    translated_port        UInt16,
    netns_inode            UInt64,
    netns_name             String,
    process_pid            UInt32,
    process_name           LowCardinality(String),
    process_path           String,
    process_command_line   String,
    container_id           String,
    container_name         LowCardinality(String),
    pod                    String,
    namespace              LowCardinality(String),
    pod_labels             Map(LowCardinality(String), String),
    owner                  LowCardinality(String),
    culprits               Array(Tuple(kind String, role String, owner String, backend String, `table` String, chain String,
                               index UInt32, handle UInt64, text String, path String, address String, port UInt16,
                               process String, pod String, namespace String)),
    victims                Array(Tuple(process String, pod String, namespace String, destination String, port UInt16)),
    fixes                  Array(Tuple(kind String, netns String, command String, why String)),
    considered             Array(Tuple(cause String, why_not String)),
    evidence               Array(String) CODEC(ZSTD(3)),
    who                    String ALIAS multiIf(pod != '', concat(namespace, '/', pod),
                               container_id != '', concat('container ', substring(container_id, 1, 12)),
                               process_name != '', process_name, 'unknown')
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (host, session, id)
TTL toDateTime(last) + INTERVAL 400 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS conntracer.lines_to_findings TO conntracer.findings AS
WITH
    JSONExtract(line, 'connection', 'Tuple(direction String, source Tuple(address String, port UInt16), destination Tuple(address String, port UInt16), translated Tuple(destination Tuple(address String, port UInt16)), netns Tuple(inode UInt64, name String, container Tuple(id String, name String), k8s Tuple(pod Tuple(name String, label Map(String, String)), namespace Tuple(name String))), process Tuple(pid UInt32, executable Tuple(name String, path String), command_line String, container Tuple(id String, name String), k8s Tuple(pod Tuple(name String, label Map(String, String)), namespace Tuple(name String))))') AS connection,
    JSONExtract(line, 'process', 'Tuple(pid UInt32, executable Tuple(name String, path String), command_line String, container Tuple(id String, name String), k8s Tuple(pod Tuple(name String, label Map(String, String)), namespace Tuple(name String)))') AS process,
    JSONExtract(line, 'k8s', 'Tuple(pod Tuple(name String, label Map(String, String)), namespace Tuple(name String))') AS k8s,
    -- Whoever is named first: the process of the finding, that of its connection, or whose namespace it is.
    arrayFirst(x -> x.1 != '', [
        (process.k8s.pod.name, process.k8s.namespace.name, process.k8s.pod.label),
        (k8s.pod.name, k8s.namespace.name, k8s.pod.label),
        (connection.process.k8s.pod.name, connection.process.k8s.namespace.name, connection.process.k8s.pod.label),
        (connection.netns.k8s.pod.name, connection.netns.k8s.namespace.name, connection.netns.k8s.pod.label)]) AS named,
    arrayFirst(x -> x.1 != '', [
        (process.container.id, process.container.name),
        (JSONExtractString(line, 'container', 'id'), JSONExtractString(line, 'container', 'name')),
        (connection.process.container.id, connection.process.container.name),
        (connection.netns.container.id, connection.netns.container.name)]) AS contained,
    JSONExtract(line, 'culprits', 'Array(Tuple(kind String, role String, owner String, backend String, table String, chain String, index UInt32, handle UInt64, text String, path String, value String, address String, port UInt16, executable Tuple(name String), process Tuple(executable Tuple(name String), k8s Tuple(pod Tuple(name String), namespace Tuple(name String))), k8s Tuple(pod Tuple(name String), namespace Tuple(name String))))') AS blamed,
    JSONExtract(line, 'victims', 'Array(Tuple(destination Tuple(address String, port UInt16), process Tuple(executable Tuple(name String), k8s Tuple(pod Tuple(name String), namespace Tuple(name String)))))') AS waiting
SELECT
    host,
    session,
    JSONExtract(line, 'id', 'UInt64') AS id,
    JSONExtract(line, 'revision', 'UInt32') AS revision,
    time,
    JSONExtractString(line, 'cause') AS cause,
    JSONExtractString(line, 'state') AS state,
    JSONExtractString(line, 'severity') AS severity,
    JSONExtractString(line, 'confidence') AS confidence,
    JSONExtractString(line, 'summary') AS summary,
    JSONExtract(line, 'count', 'UInt64') AS connections,
    JSONExtract(line, 'not_examined', 'UInt64') AS not_examined,
    JSONExtract(line, 'supersedes', 'Nullable(UInt64)') AS supersedes,
    coalesce(parseDateTime64BestEffortOrNull(JSONExtractString(line, 'first'), 9, 'UTC'), time) AS first,
    coalesce(parseDateTime64BestEffortOrNull(JSONExtractString(line, 'last'), 9, 'UTC'), time) AS last,
    connection.direction AS direction,
    toIPv6OrDefault(connection.source.address) AS source_address,
    connection.source.port AS source_port,
    toIPv6OrDefault(connection.destination.address) AS destination_address,
    connection.destination.port AS destination_port,
    toIPv6OrDefault(connection.translated.destination.address) AS translated_address,
    connection.translated.destination.port AS translated_port,
    connection.netns.inode AS netns_inode,
    connection.netns.name AS netns_name,
    if(process.pid != 0, process.pid, connection.process.pid) AS process_pid,
    if(process.pid != 0, process.executable.name, connection.process.executable.name) AS process_name,
    if(process.pid != 0, process.executable.path, connection.process.executable.path) AS process_path,
    if(process.pid != 0, process.command_line, connection.process.command_line) AS process_command_line,
    contained.1 AS container_id,
    contained.2 AS container_name,
    named.1 AS pod,
    named.2 AS namespace,
    named.3 AS pod_labels,
    arrayFirst(x -> x != '', blamed.owner) AS owner,
    arrayMap(x -> (x.kind, x.role, x.owner, x.backend, x.table, x.chain, x.index, x.handle,
        if(x.kind = 'sysctl', concat(x.path, ' = ', x.value), x.text), x.path, x.address, x.port,
        if(x.executable.name != '', x.executable.name, x.process.executable.name),
        if(x.k8s.pod.name != '', x.k8s.pod.name, x.process.k8s.pod.name),
        if(x.k8s.pod.name != '', x.k8s.namespace.name, x.process.k8s.namespace.name)), blamed) AS culprits,
    arrayMap(x -> (x.process.executable.name, x.process.k8s.pod.name, x.process.k8s.namespace.name,
        x.destination.address, x.destination.port), waiting) AS victims,
    JSONExtract(line, 'fixes', 'Array(Tuple(kind String, netns String, command String, why String))') AS fixes,
    JSONExtract(line, 'considered', 'Array(Tuple(cause String, why_not String))') AS considered,
    JSONExtractArrayRaw(line, 'evidence') AS evidence
FROM conntracer.lines
WHERE type = 'finding';

-- What the kernel told of connections that drew suspicion, or of all where `--events all` is given.
CREATE TABLE IF NOT EXISTS conntracer.events
(
    host                LowCardinality(String),
    session             UUID,
    seq                 UInt64,
    time                DateTime64(9, 'UTC'),
    event               LowCardinality(String),
    source_address      IPv6,
    source_port         UInt16,
    destination_address IPv6,
    destination_port    UInt16,
    state               LowCardinality(String),
    netns_inode         UInt64,
    process_pid         UInt32,
    process_name        LowCardinality(String),
    pod                 String,
    namespace           LowCardinality(String),
    rst_maker           LowCardinality(String),
    rst_reason          LowCardinality(String),
    drop_reason         LowCardinality(String),
    drop_location       LowCardinality(String),
    errno               Nullable(UInt16)
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(time)
ORDER BY (event, host, session, seq)
TTL toDateTime(time) + INTERVAL 14 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS conntracer.lines_to_events TO conntracer.events AS
WITH
    JSONExtract(line, 'connection', 'Tuple(state String, source Tuple(address String, port UInt16), destination Tuple(address String, port UInt16), netns Tuple(inode UInt64, k8s Tuple(pod Tuple(name String), namespace Tuple(name String))))') AS connection,
    JSONExtract(line, 'process', 'Tuple(pid UInt32, executable Tuple(name String), k8s Tuple(pod Tuple(name String), namespace Tuple(name String)))') AS process
SELECT
    host,
    session,
    seq,
    time,
    JSONExtractString(line, 'event') AS event,
    toIPv6OrDefault(connection.source.address) AS source_address,
    connection.source.port AS source_port,
    toIPv6OrDefault(connection.destination.address) AS destination_address,
    connection.destination.port AS destination_port,
    connection.state AS state,
    connection.netns.inode AS netns_inode,
    process.pid AS process_pid,
    process.executable.name AS process_name,
    if(process.k8s.pod.name != '', process.k8s.pod.name, connection.netns.k8s.pod.name) AS pod,
    if(process.k8s.pod.name != '', process.k8s.namespace.name, connection.netns.k8s.namespace.name) AS namespace,
    JSONExtractString(line, 'rst', 'maker') AS rst_maker,
    JSONExtractString(line, 'rst', 'reason') AS rst_reason,
    JSONExtractString(line, 'drop', 'reason') AS drop_reason,
    JSONExtractString(line, 'drop', 'location') AS drop_location,
    JSONExtract(line, 'errno', 'Nullable(UInt16)') AS errno
FROM conntracer.lines
WHERE type = 'event';

-- The ports that rules take over, each time that they were listed.
CREATE TABLE IF NOT EXISTS conntracer.stolen_ports
(
    host          LowCardinality(String),
    session       UUID,
    seq           UInt64,
    time          DateTime64(9, 'UTC'),
    netns_inode   UInt64,
    netns_name    String,
    class         LowCardinality(String),
    manner        LowCardinality(String),
    family        LowCardinality(String),
    hook          LowCardinality(String),
    protocol      LowCardinality(String),
    ports         Array(Tuple(first UInt16, last UInt16)),
    addresses     Array(String),
    target        String,
    target_port   UInt16,
    owner         LowCardinality(String),
    packets       Nullable(UInt64),
    listening     Nullable(Bool),
    listener_pid  UInt32,
    listener_name LowCardinality(String),
    rule          String,
    container_id  String,
    pod           String,
    namespace     LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (host, session, seq)
TTL toDateTime(time) + INTERVAL 30 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS conntracer.lines_to_stolen_ports TO conntracer.stolen_ports AS
WITH
    JSONExtract(line, 'netns', 'Tuple(inode UInt64, name String, container Tuple(id String), k8s Tuple(pod Tuple(name String), namespace Tuple(name String)))') AS netns,
    JSONExtract(line, 'k8s', 'Tuple(pod Tuple(name String), namespace Tuple(name String))') AS k8s
SELECT
    host,
    session,
    seq,
    time,
    netns.inode AS netns_inode,
    netns.name AS netns_name,
    JSONExtractString(line, 'class') AS class,
    JSONExtractString(line, 'manner') AS manner,
    JSONExtractString(line, 'family') AS family,
    JSONExtractString(line, 'hook') AS hook,
    JSONExtractString(line, 'protocol') AS protocol,
    JSONExtract(line, 'original', 'ports', 'Array(Tuple(first UInt16, last UInt16))') AS ports,
    JSONExtract(line, 'original', 'addresses', 'Array(String)') AS addresses,
    JSONExtractString(line, 'target', 'address') AS target,
    JSONExtract(line, 'target', 'port', 'UInt16') AS target_port,
    JSONExtractString(line, 'owner') AS owner,
    JSONExtract(line, 'packets', 'Nullable(UInt64)') AS packets,
    JSONExtract(line, 'listening', 'Nullable(Bool)') AS listening,
    JSONExtract(line, 'listener', 'pid', 'UInt32') AS listener_pid,
    JSONExtractString(line, 'listener', 'name') AS listener_name,
    JSONExtractString(line, 'rule', 'text') AS rule,
    if(netns.container.id != '', netns.container.id, JSONExtractString(line, 'container', 'id')) AS container_id,
    if(netns.k8s.pod.name != '', netns.k8s.pod.name, k8s.pod.name) AS pod,
    if(netns.k8s.pod.name != '', netns.k8s.namespace.name, k8s.namespace.name) AS namespace
FROM conntracer.lines
WHERE type = 'stolen-port';

-- What tracing costs, and what it missed, since the session began.
CREATE TABLE IF NOT EXISTS conntracer.stats
(
    host             LowCardinality(String),
    session          UUID,
    seq              UInt64,
    time             DateTime64(9, 'UTC'),
    tracked          UInt64,
    evictions        UInt64,
    cpu_ms           Nullable(UInt64),
    resident_bytes   Nullable(UInt64),
    map_bytes        Nullable(UInt64),
    ring_bytes       Nullable(UInt64),
    ring_high_water  Nullable(UInt64),
    hooks            Array(Tuple(hook String, runs UInt64, nanoseconds UInt64, lost UInt64, recursion_misses UInt64,
                         suppressed UInt64, filtered UInt64, failed_reads UInt64, table_full UInt64))
)
ENGINE = ReplacingMergeTree
ORDER BY (host, session, seq)
TTL toDateTime(time) + INTERVAL 30 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS conntracer.lines_to_stats TO conntracer.stats AS
SELECT
    host,
    session,
    seq,
    time,
    JSONExtract(line, 'tracked', 'UInt64') AS tracked,
    JSONExtract(line, 'evictions', 'UInt64') AS evictions,
    JSONExtract(line, 'cpu_ms', 'Nullable(UInt64)') AS cpu_ms,
    JSONExtract(line, 'resident_bytes', 'Nullable(UInt64)') AS resident_bytes,
    JSONExtract(line, 'map_bytes', 'Nullable(UInt64)') AS map_bytes,
    JSONExtract(line, 'ring', 'bytes', 'Nullable(UInt64)') AS ring_bytes,
    JSONExtract(line, 'ring', 'high_water_bytes', 'Nullable(UInt64)') AS ring_high_water,
    -- `runs` and `nanoseconds` are strings of decimals.
    JSONExtract(line, 'hooks', 'Array(Tuple(hook String, runs UInt64, nanoseconds UInt64, lost UInt64, recursion_misses UInt64, suppressed UInt64, filtered UInt64, failed_reads UInt64, table_full UInt64))') AS hooks
FROM conntracer.lines
WHERE type = 'stats';

-- Records lost on the node, each row since the one before of the same source.
CREATE TABLE IF NOT EXISTS conntracer.losses
(
    host    LowCardinality(String),
    session UUID,
    seq     UInt64,
    time    DateTime64(9, 'UTC'),
    source  LowCardinality(String),
    lost    UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (host, session, seq)
TTL toDateTime(time) + INTERVAL 30 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS conntracer.lines_to_losses TO conntracer.losses AS
SELECT
    host,
    session,
    seq,
    time,
    arrayFirst(x -> x != '', [JSONExtractString(line, 'hook'), JSONExtractString(line, 'queue')]) AS source,
    JSONExtract(line, 'lost', 'UInt64') AS lost
FROM conntracer.lines
WHERE type = 'loss';

-- The ends of sessions.
CREATE TABLE IF NOT EXISTS conntracer.summaries
(
    host                 LowCardinality(String),
    session              UUID,
    seq                  UInt64,
    time                 DateTime64(9, 'UTC'),
    duration_ms          UInt64,
    events               UInt64,
    established          Nullable(UInt64),
    refused              UInt64,
    aborted              UInt64,
    given_up             UInt64,
    findings             Map(LowCardinality(String), UInt64),
    lost                 UInt64,
    evictions            UInt64,
    unresolved_inquiries UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (host, session)
TTL toDateTime(time) + INTERVAL 400 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS conntracer.lines_to_summaries TO conntracer.summaries AS
SELECT
    host,
    session,
    seq,
    time,
    JSONExtract(line, 'duration_ms', 'UInt64') AS duration_ms,
    JSONExtract(line, 'events', 'UInt64') AS events,
    JSONExtract(line, 'connections', 'established', 'Nullable(UInt64)') AS established,
    JSONExtract(line, 'connections', 'refused', 'UInt64') AS refused,
    JSONExtract(line, 'connections', 'aborted', 'UInt64') AS aborted,
    JSONExtract(line, 'connections', 'given_up', 'UInt64') AS given_up,
    JSONExtract(line, 'findings', 'Map(String, UInt64)') AS findings,
    JSONExtract(line, 'lost', 'UInt64') AS lost,
    JSONExtract(line, 'evictions', 'UInt64') AS evictions,
    JSONExtract(line, 'unresolved_inquiries', 'UInt64') AS unresolved_inquiries
FROM conntracer.lines
WHERE type = 'summary';
