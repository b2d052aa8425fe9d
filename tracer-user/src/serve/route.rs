//! Which answer belongs to which request.

use crate::serve::cache::Cached;
use crate::serve::gate::Counters;
use crate::serve::health::Health;
use crate::serve::hosts::Hosts;
use crate::serve::page::{self, Moment, Refresh};
use crate::serve::respond::{Answer, answer, not_allowed, text};
use crate::serve::server::State;
use crate::serve::{clock, metrics};
use hyper::header::ACCEPT;
use hyper::{HeaderMap, Method, Request, StatusCode};

/// What answers are made of.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) state: State,
    pub(super) hosts: Hosts,
    pub(super) counters: Counters,
    pub(super) rendered: Rendered,
}

/// Texts that cost something to make.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    openmetrics: Cached,
    plain: Cached,
    refreshing: Cached,
    still: Cached,
}

impl Routes {
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Answer {
        if !self.hosts.allows(request.headers()) {
            return text(
                StatusCode::MISDIRECTED_REQUEST,
                "this server is not known by that name: use an address or localhost, or list the name in serve.hosts\n",
            );
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return not_allowed();
        }
        match request.uri().path() {
            "/" => answer(StatusCode::OK, HTML, page::index()),
            "/findings" => self.findings(request.uri().query()),
            "/metrics" => self.metrics(request.headers()),
            "/healthz" => healthy(&self.state.health),
            "/readyz" => ready(&self.state.health),
            _ => text(
                StatusCode::NOT_FOUND,
                "there is /findings, /metrics, /healthz and /readyz\n",
            ),
        }
    }

    fn findings(&self, query: Option<&str>) -> Answer {
        self.state.health.want_ports();
        let still = query.is_some_and(|query| query.split('&').any(|pair| pair == "refresh=off"));
        let (cached, refresh) = if still {
            (&self.rendered.still, Refresh::Off)
        } else {
            (&self.rendered.refreshing, Refresh::On)
        };
        let made: Result<_, std::convert::Infallible> = cached.get(|| {
            let moment = Moment {
                now: clock::now(),
                clock: clock::clock(),
            };
            Ok(page::findings(&self.state.board.snapshot(), moment, refresh))
        });
        let Ok(body) = made;
        answer(StatusCode::OK, HTML, body)
    }

    fn metrics(&self, headers: &HeaderMap) -> Answer {
        let openmetrics = || metrics::openmetrics(self.state.board.snapshot(), self.counters.read());
        let (kind, made) = if wants_openmetrics(headers) {
            (OPENMETRICS, self.rendered.openmetrics.get(openmetrics))
        } else {
            let plain = || openmetrics().map(|text| metrics::plain(&text));
            (PLAIN, self.rendered.plain.get(plain))
        };
        match made {
            Ok(body) => answer(StatusCode::OK, kind, body),
            Err(error) => {
                tracing::warn!(%error, "the metrics cannot be written");
                text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n")
            }
        }
    }
}

fn healthy(health: &Health) -> Answer {
    match health.lives(clock::now()) {
        Ok(()) => text(StatusCode::OK, "ok\n"),
        Err(quiet) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the loop has not turned for {} s\n", quiet.as_secs()),
        ),
    }
}

fn ready(health: &Health) -> Answer {
    let reasons = health.reasons();
    if reasons.is_empty() {
        return text(StatusCode::OK, "ok\n");
    }
    text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
}

/// Prometheus asks for it first; a client that names no format gets the older one.
fn wants_openmetrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kinds = accepted
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next());
    kinds
        .into_iter()
        .any(|kind| kind.trim().eq_ignore_ascii_case("application/openmetrics-text"))
}

const HTML: &str = "text/html; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
