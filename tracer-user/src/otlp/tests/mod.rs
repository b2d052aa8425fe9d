//! The exporter against a real receiver: everything arrives, as often as it must.

mod receiver;

use super::{Exporter, OtlpOptions, OtlpStats, SecretString};
use crate::model::finding::{Cause, Finding};
use crate::sink::{Record, jsonl, sample};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use receiver::{Answer, Received, Receiver};
use std::time::{Duration, Instant};

/// More than any test needs.
const PATIENCE: Duration = Duration::from_mins(1);

fn finding(id: u64) -> Finding {
    Finding {
        id,
        ..sample::finding_of(Cause::ReplyRejected)
    }
}

/// Sends one finding to a receiver that answers so, to the end.
fn delivered(script: Vec<Answer>, timeout: Duration) -> (Vec<Received>, OtlpStats) {
    let receiver = Receiver::start(script);
    let mut options = OtlpOptions::new(receiver.endpoint());
    options.timeout = timeout;
    let exporter = Exporter::start(&options, sample::clock()).unwrap();
    exporter.push(Record::Finding(&finding(7)));
    let stats = exporter.finish(PATIENCE);
    (receiver.received(), stats)
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let value = attribute(attributes, key)?;
    let Value::StringValue(text) = value else {
        panic!("{key} is {value:?}");
    };
    Some(text)
}

fn number(attributes: &[KeyValue], key: &str) -> Option<i64> {
    let value = attribute(attributes, key)?;
    let Value::IntValue(number) = value else {
        panic!("{key} is {value:?}");
    };
    Some(*number)
}

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.as_ref()?.value.as_ref()
}

fn body(log: &LogRecord) -> &str {
    match log.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_arrives_in_its_order_and_says_who_sent_it() {
    let receiver = Receiver::start([]);
    let mut options = OtlpOptions::new(receiver.endpoint());
    options.gzip = true;
    options.headers = vec![("Authorization".into(), SecretString::new("Bearer hunter2"))];
    let exporter = Exporter::start(&options, sample::clock()).unwrap();
    exporter.push(Record::Hello(&sample::hello()));
    exporter.push(Record::Finding(&finding(7)));
    exporter.push(Record::Deadline(sample::ms(1)));
    exporter.push(Record::Stats(&sample::stats()));
    exporter.push(Record::Finding(&Finding {
        revision: 1,
        ..finding(7)
    }));
    exporter.push(Record::Loss(&sample::loss()));
    exporter.push(Record::Summary(&sample::summary()));
    let stats = exporter.finish(PATIENCE);
    assert_eq!((stats.sent, stats.queued, stats.failures), (5, 0, 0));

    let received = receiver.received();
    let first = received.first().unwrap();
    assert_eq!(first.path, "/v1/logs");
    assert_eq!(first.headers["content-type"], "application/x-protobuf");
    assert_eq!(first.headers["authorization"], "Bearer hunter2");
    assert!(!format!("{options:?}").contains("hunter2"));
    let resource = first.request.resource_logs[0].resource.as_ref().unwrap();
    assert_eq!(text(&resource.attributes, "service.name"), Some("conntracer"));
    assert_eq!(
        text(&resource.attributes, "service.instance.id"),
        Some("6fa459ea-ee8a-4ca4-894e-db77e160355e")
    );
    assert_eq!(text(&resource.attributes, "host.name"), Some("node-1"));

    let logs: Vec<_> = received.iter().flat_map(Received::logs).collect();
    let names: Vec<_> = logs.iter().map(|log| log.event_name.as_str()).collect();
    assert_eq!(
        names,
        [
            "conntracer.hello",
            "conntracer.finding",
            "conntracer.finding",
            "conntracer.loss",
            "conntracer.summary"
        ]
    );
    let severities: Vec<_> = logs.iter().map(|log| log.severity_text.as_str()).collect();
    assert_eq!(severities, ["INFO", "ERROR", "ERROR", "WARN", "INFO"]);
    let revisions: Vec<_> = logs
        .iter()
        .filter_map(|log| number(&log.attributes, "conntracer.finding.revision"))
        .collect();
    assert_eq!(revisions, [0, 1]);
}

#[test]
fn a_finding_has_its_sentence_its_names_and_its_whole_line() {
    let (received, _) = delivered(Vec::new(), PATIENCE);
    let log = &received[0].logs()[0];
    let mut expected = Vec::new();
    jsonl::write(Record::Finding(&finding(7)), sample::clock(), 0, None, &mut expected);
    let line = text(&log.attributes, "conntracer.json").unwrap();
    assert_eq!(format!("{line}\n").as_bytes(), expected);
    let fields: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(body(log), fields["summary"].as_str().unwrap());
    let time: jiff::Timestamp = fields["time"].as_str().unwrap().parse().unwrap();
    assert_eq!(i128::from(log.time_unix_nano), time.as_nanosecond());
    assert!(log.observed_time_unix_nano > log.time_unix_nano);
    for (key, path) in [
        ("source.address", "/connection/source/address"),
        ("network.type", "/connection/network/type"),
        ("process.executable.name", "/process/executable/name"),
        ("conntracer.cause", "/cause"),
        ("conntracer.confidence", "/confidence"),
        ("conntracer.state", "/state"),
    ] {
        let expected = fields.pointer(path).unwrap().as_str();
        assert_eq!(text(&log.attributes, key), expected, "{key}");
        assert!(expected.is_some(), "{key}");
    }
    for (key, path) in [
        ("destination.port", "/connection/destination/port"),
        ("process.pid", "/process/pid"),
        ("conntracer.finding.id", "/id"),
        ("conntracer.count", "/count"),
    ] {
        let expected = fields.pointer(path).unwrap().as_i64();
        assert_eq!(number(&log.attributes, key), expected, "{key}");
        assert!(expected.is_some(), "{key}");
    }
}

#[test]
fn what_may_succeed_later_is_sent_again_and_taken_once() {
    for answers in [
        vec![Answer::Status(503, None)],
        vec![Answer::Status(429, Some("1")), Answer::Status(502, Some("nonsense"))],
        vec![Answer::Close],
        vec![Answer::Noise],
    ] {
        let failures = answers.len();
        let begun = Instant::now();
        let (received, stats) = delivered(answers.clone(), PATIENCE);
        assert_eq!(received.len(), failures + 1, "{answers:?}");
        assert_eq!((stats.sent, stats.failures), (1, failures as u64), "{answers:?}");
        assert_eq!((stats.refused, stats.failing), (0, None), "{answers:?}");
        assert!(begun.elapsed() >= Duration::from_secs(1), "{answers:?}");
    }
}

#[test]
fn a_receiver_that_never_answers_is_left_after_the_timeout() {
    let (received, stats) = delivered(vec![Answer::Never], Duration::from_millis(300));
    assert_eq!((received.len(), stats.sent, stats.failures), (2, 1, 1));
}

#[test]
fn what_is_refused_for_good_is_counted_and_never_sent_again() {
    for status in [400, 401, 404, 413, 500, 301] {
        let (received, stats) = delivered(vec![Answer::Status(status, None)], PATIENCE);
        assert_eq!((received.len(), stats.sent, stats.refused), (1, 0, 1), "{status}");
    }
}

#[test]
fn an_answer_that_says_taken_is_believed_whatever_its_body() {
    for answer in [Answer::Garbage, Answer::CloseWithin] {
        let (received, stats) = delivered(vec![answer.clone()], PATIENCE);
        assert_eq!((received.len(), stats.sent, stats.failures), (1, 1, 0), "{answer:?}");
    }
    let (received, stats) = delivered(vec![Answer::Partly(1)], PATIENCE);
    assert_eq!((received.len(), stats.sent, stats.refused), (1, 0, 1));
}

#[test]
fn an_endpoint_that_comes_late_gets_everything_once() {
    // Bound, so that nobody else gets the port, and refused until it listens.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    let exporter = Exporter::start(&OtlpOptions::new(endpoint), sample::clock()).unwrap();
    for id in 0..600 {
        exporter.push(Record::Finding(&finding(id)));
    }
    let begun = Instant::now();
    let failing = loop {
        match exporter.stats().failing {
            Some(failing) => break failing,
            None => std::thread::yield_now(),
        }
        assert!(begun.elapsed() < PATIENCE);
    };
    assert!(failing.contains("refused"), "{failing}");
    let listener = socket.listen(16).unwrap().into_std().unwrap();
    let receiver = Receiver::on(listener, []);
    let stats = exporter.finish(PATIENCE);
    assert_eq!((stats.sent, stats.queued), (600, 0));
    let logs = receiver.received().iter().flat_map(Received::logs).collect::<Vec<_>>();
    let ids: Vec<_> = logs
        .iter()
        .filter_map(|log| number(&log.attributes, "conntracer.finding.id"))
        .collect();
    assert_eq!(ids, (0..600).collect::<Vec<_>>());
    assert!(receiver.received().len() >= 2, "600 are more than one request");
}

#[test]
fn the_end_waits_no_longer_than_it_is_told() {
    let receiver = Receiver::start([Answer::Never]);
    let exporter = Exporter::start(&OtlpOptions::new(receiver.endpoint()), sample::clock()).unwrap();
    exporter.push(Record::Finding(&finding(1)));
    let begun = Instant::now();
    let stats = exporter.finish(Duration::from_millis(200));
    assert_eq!((stats.sent, stats.queued), (0, 1));
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "the request's own timeout is 10 s"
    );
}

#[test]
fn hostile_names_arrive_as_data_and_leave_the_sentence_harmless() {
    let receiver = Receiver::start([]);
    let exporter = Exporter::start(&OtlpOptions::new(receiver.endpoint()), sample::clock()).unwrap();
    let mut hello = sample::hello();
    hello.host = Some("\u{1b}[2J\"<b>\n".to_owned());
    exporter.push(Record::Hello(&hello));
    exporter.finish(PATIENCE);
    let received = receiver.received();
    let resource = received[0].request.resource_logs[0].resource.as_ref().unwrap();
    assert_eq!(text(&resource.attributes, "host.name"), hello.host.as_deref());
    let logs = received[0].logs();
    assert!(!body(&logs[0]).chars().any(char::is_control), "{:?}", body(&logs[0]));
}
