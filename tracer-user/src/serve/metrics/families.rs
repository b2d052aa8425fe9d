//! Metrics one after the other: their names, units and helps once, then their rows.

use crate::sink::text::{Shown, cut};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Unit;
use std::fmt;

/// A metric's name without the suffixes, which follow from its unit and type.
pub(super) struct Metric {
    name: &'static str,
    unit: Option<Unit>,
    help: &'static str,
}

impl Metric {
    /// Of what has no unit: numbers of things, rates and shares.
    pub(super) const fn plain(name: &'static str, help: &'static str) -> Self {
        let unit = None;
        Self { name, unit, help }
    }

    pub(super) const fn seconds(name: &'static str, help: &'static str) -> Self {
        let unit = Some(Unit::Seconds);
        Self { name, unit, help }
    }

    pub(super) const fn bytes(name: &'static str, help: &'static str) -> Self {
        let unit = Some(Unit::Bytes);
        Self { name, unit, help }
    }
}

/// Names of labels and their values.
pub(super) type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

pub(super) struct Families<'a>(DescriptorEncoder<'a>);

impl<'a> Families<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        metric: &Metric,
        rows: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let rows = rows
            .into_iter()
            .map(|(labels, value)| (labels, ConstCounter::new(value)));
        self.rows(metric, MetricType::Counter, rows)
    }

    pub(super) fn gauges<'l, const N: usize>(
        &mut self,
        metric: &Metric,
        rows: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let rows = rows.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value)));
        self.rows(metric, MetricType::Gauge, rows)
    }

    /// Of any number, not only of a whole one.
    pub(super) fn ratios<'l, const N: usize>(
        &mut self,
        metric: &Metric,
        rows: impl IntoIterator<Item = (Labels<'l, N>, f64)>,
    ) -> fmt::Result {
        let rows = rows.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value)));
        self.rows(metric, MetricType::Gauge, rows)
    }

    /// Counted in seconds.
    pub(super) fn seconds<'l, const N: usize>(
        &mut self,
        metric: &Metric,
        rows: impl IntoIterator<Item = (Labels<'l, N>, f64)>,
    ) -> fmt::Result {
        let rows = rows
            .into_iter()
            .map(|(labels, value)| (labels, ConstCounter::new(value)));
        self.rows(metric, MetricType::Counter, rows)
    }

    /// Without labels; nothing where the value is not known.
    pub(super) fn counter(&mut self, metric: &Metric, value: Option<u64>) -> fmt::Result {
        self.one(metric, value.map(ConstCounter::new))
    }

    /// Without labels; nothing where the value is not known.
    pub(super) fn gauge(&mut self, metric: &Metric, value: Option<u64>) -> fmt::Result {
        self.one(metric, value.map(ConstGauge::new))
    }

    /// Without labels; nothing where the value is not known.
    pub(super) fn second(&mut self, metric: &Metric, value: Option<f64>) -> fmt::Result {
        self.one(metric, value.map(ConstCounter::new))
    }

    /// What is told by labels alone.
    pub(super) fn info<const N: usize>(&mut self, metric: &Metric, labels: [(&'static str, String); N]) -> fmt::Result {
        self.one(metric, Some(Info::new(labels)))
    }

    fn one<M: EncodeMetric + TypedMetric>(&mut self, metric: &Metric, value: Option<M>) -> fmt::Result {
        let encoder = self.describe(metric, M::TYPE)?;
        value.map_or(Ok(()), |value| value.encode(encoder))
    }

    fn rows<'l, const N: usize, M: EncodeMetric>(
        &mut self,
        metric: &Metric,
        kind: MetricType,
        rows: impl Iterator<Item = (Labels<'l, N>, M)>,
    ) -> fmt::Result {
        let mut encoder = self.describe(metric, kind)?;
        for (labels, value) in rows {
            value.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn describe<'s>(&'s mut self, metric: &'s Metric, kind: MetricType) -> Result<MetricEncoder<'s>, fmt::Error> {
        let Metric { name, unit, help } = metric;
        self.0.encode_descriptor(name, help, unit.as_ref(), kind)
    }
}

/// Text from outside as the value of a label: harmless and not too long. The encoder escapes quotes and backslashes.
pub(super) fn label(text: &str) -> String {
    cut(&Shown(text.as_bytes()).to_string(), LONGEST).to_owned()
}

/// Bytes of a label's value.
const LONGEST: usize = 128;
