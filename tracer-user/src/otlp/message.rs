//! The parts of a request that are no record of ours: who sends, and how records are wrapped.

use crate::otlp::queue::Entry;
use crate::sink::Hello;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

/// One request with these records, which were encoded by ourselves and so can be decoded.
pub(super) fn request(resource: Resource, batch: &[Entry]) -> ExportLogsServiceRequest {
    let scope = InstrumentationScope {
        name: SERVICE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let logs = ScopeLogs {
        scope: Some(scope),
        log_records: batch
            .iter()
            .filter_map(|entry| LogRecord::decode(&*entry.log).ok())
            .collect(),
        ..ScopeLogs::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource),
            scope_logs: vec![logs],
            ..ResourceLogs::default()
        }],
    }
}

/// Who sends: the program before its first `hello`, then the session too. A boot's id is no `host.id`, which outlives
/// boots.
pub(super) fn resource(hello: Option<&Hello>) -> Resource {
    let mut attributes = vec![text("service.name", SERVICE), text("os.type", "linux")];
    match hello {
        None => attributes.push(text("service.version", env!("CARGO_PKG_VERSION"))),
        Some(hello) => {
            attributes.push(text("service.version", &hello.version));
            attributes.push(text("service.instance.id", &hello.session));
            attributes.push(text("conntracer.kernel.release", &hello.kernel));
            let known = [("host.name", &hello.host), ("conntracer.boot.id", &hello.boot_id)];
            attributes.extend(
                known
                    .into_iter()
                    .filter_map(|(key, value)| Some(text(key, value.as_deref()?))),
            );
        }
    }
    Resource {
        attributes,
        ..Resource::default()
    }
}

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

pub(super) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

const SERVICE: &str = "conntracer";
