//! A record of ours as a log record of OpenTelemetry's data model.
//!
//! Attributes are a selection of the fields of the record's own JSONL line, which spells OpenTelemetry's names as its
//! paths already: a row of [`FINDING`] is all that a new one takes.

use crate::otlp::message::{attribute, text};
use crate::sink::jsonl;
use crate::sink::text::Shown;
use crate::sink::{Clock, Hello, Loss, LossSource, Record, Summary};
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use serde_json::Value as Json;

/// `None`: a record of this type is not exported. `seq` is the line's; `observed` is the wall clock, in nanoseconds.
pub(super) fn log(record: Record<'_>, clock: Clock, seq: u64, observed: u64) -> Option<LogRecord> {
    let (event, rows) = match record {
        Record::Finding(_) => ("conntracer.finding", FINDING),
        Record::Hello(_) => ("conntracer.hello", NOTHING),
        Record::Loss(_) => ("conntracer.loss", LOSS),
        Record::Summary(_) => ("conntracer.summary", SUMMARY),
        Record::Event(_)
        | Record::Inquiry(_)
        | Record::Answer(_)
        | Record::Deadline(_)
        | Record::Port(_)
        | Record::Stats(_) => return None,
    };
    let line = line(record, clock, seq);
    let fields: Json = serde_json::from_str(&line).unwrap_or_default();
    let (severity_text, severity) = severity(record, &fields);
    let mut attributes: Vec<_> = rows
        .iter()
        .filter_map(|(key, path)| Some(attribute(key, value(fields.pointer(path)?)?)))
        .collect();
    attributes.push(text("conntracer.json", &line));
    Some(LogRecord {
        time_unix_nano: nanos(clock.wall(jsonl::at(record))),
        observed_time_unix_nano: observed,
        severity_number: severity.into(),
        severity_text: severity_text.to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(sentence(record, &fields))),
        }),
        attributes,
        event_name: event.to_owned(),
        ..LogRecord::default()
    })
}

/// Without its end.
fn line(record: Record<'_>, clock: Clock, seq: u64) -> String {
    let mut line = Vec::new();
    jsonl::write(record, clock, seq, None, &mut line);
    line.pop();
    String::from_utf8(line).unwrap_or_default()
}

fn severity(record: Record<'_>, fields: &Json) -> (&'static str, SeverityNumber) {
    const ERROR: (&str, SeverityNumber) = ("ERROR", SeverityNumber::Error);
    const WARN: (&str, SeverityNumber) = ("WARN", SeverityNumber::Warn);
    const INFO: (&str, SeverityNumber) = ("INFO", SeverityNumber::Info);
    match (record, fields.get("severity").and_then(Json::as_str)) {
        (Record::Loss(_), _) | (_, Some("warning")) => WARN,
        (_, Some("error")) => ERROR,
        _ => INFO,
    }
}

/// One sentence for a person, harmless on a terminal.
fn sentence(record: Record<'_>, fields: &Json) -> String {
    let text = match record {
        Record::Hello(Hello { version, host, .. }) => {
            let host = host.as_deref().unwrap_or("an unnamed host");
            format!("conntracer {version} traces {host}")
        }
        Record::Loss(Loss { source, lost, .. }) => match source {
            LossSource::Hook(hook) => format!("{lost} records of {hook} were lost on their way from the kernel"),
            LossSource::Queue(queue) => format!("{lost} records of the queue {queue} were lost"),
        },
        Record::Summary(Summary {
            duration,
            findings,
            lost,
            ..
        }) => {
            let found: u64 = findings.iter().map(|(_, count)| count).sum();
            format!("{found} findings in {duration:.1?}, {lost} records lost")
        }
        Record::Finding(_)
        | Record::Event(_)
        | Record::Inquiry(_)
        | Record::Answer(_)
        | Record::Deadline(_)
        | Record::Port(_)
        | Record::Stats(_) => fields
            .get("summary")
            .and_then(Json::as_str)
            .unwrap_or_default()
            .to_owned(),
    };
    Shown(text.as_bytes()).to_string()
}

fn value(field: &Json) -> Option<Value> {
    match field {
        Json::String(text) => Some(Value::StringValue(text.clone())),
        Json::Bool(bool) => Some(Value::BoolValue(*bool)),
        // A number past OTLP's signed ones keeps its digits.
        Json::Number(number) => Some(
            number
                .as_i64()
                .map_or_else(|| Value::StringValue(number.to_string()), Value::IntValue),
        ),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn nanos(wall: jiff::Timestamp) -> u64 {
    u64::try_from(wall.as_nanosecond()).unwrap_or(0)
}

type Rows = &'static [(&'static str, &'static str)];

const NOTHING: Rows = &[];
/// Attributes, and where a finding's line has them. What is not known is absent.
const FINDING: Rows = &[
    ("source.address", "/connection/source/address"),
    ("source.port", "/connection/source/port"),
    ("destination.address", "/connection/destination/address"),
    ("destination.port", "/connection/destination/port"),
    ("network.type", "/connection/network/type"),
    ("process.pid", "/process/pid"),
    ("process.executable.name", "/process/executable/name"),
    ("process.user.id", "/process/user/id"),
    ("container.id", "/container/id"),
    ("container.name", "/container/name"),
    ("k8s.pod.name", "/k8s/pod/name"),
    ("k8s.pod.uid", "/k8s/pod/uid"),
    ("k8s.namespace.name", "/k8s/namespace/name"),
    ("conntracer.finding.id", "/id"),
    ("conntracer.finding.revision", "/revision"),
    ("conntracer.finding.supersedes", "/supersedes"),
    ("conntracer.cause", "/cause"),
    ("conntracer.state", "/state"),
    ("conntracer.severity", "/severity"),
    ("conntracer.confidence", "/confidence"),
    ("conntracer.count", "/count"),
    ("conntracer.lost", "/lost"),
    ("conntracer.direction", "/connection/direction"),
    (
        "conntracer.translated.destination.address",
        "/connection/translated/destination/address",
    ),
    (
        "conntracer.translated.destination.port",
        "/connection/translated/destination/port",
    ),
    ("conntracer.netns.inode", "/connection/netns/inode"),
    ("conntracer.netns.name", "/connection/netns/name"),
    ("conntracer.culprit.kind", "/culprits/0/kind"),
    ("conntracer.culprit.role", "/culprits/0/role"),
    ("conntracer.culprit.owner", "/culprits/0/owner"),
    ("conntracer.culprit.backend", "/culprits/0/backend"),
    ("conntracer.culprit.table", "/culprits/0/table"),
    ("conntracer.culprit.chain", "/culprits/0/chain"),
    ("conntracer.culprit.text", "/culprits/0/text"),
    ("conntracer.fix.command", "/fixes/0/command"),
    ("conntracer.truncated", "/truncated"),
];
const LOSS: Rows = &[
    ("conntracer.lost", "/lost"),
    ("conntracer.hook", "/hook"),
    ("conntracer.queue", "/queue"),
];
const SUMMARY: Rows = &[
    ("conntracer.lost", "/lost"),
    ("conntracer.events", "/events"),
    ("conntracer.duration_ms", "/duration_ms"),
    ("conntracer.evictions", "/evictions"),
];
