//! Samples, gathered by metric, in the order in which they are shown.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric as Sample, MetricFamily, MetricType,
};

use crate::{
    admin::metrics::table::{Kind, Metric},
    measure::Buckets,
};

/// Metrics with their samples.
#[derive(Debug, Default)]
pub(super) struct Families(Vec<MetricFamily>);

/// The samples of one metric, while they are gathered.
#[derive(Debug)]
pub(super) struct Family {
    metric: Metric,
    samples: Vec<Sample>,
}

/// Names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Families {
    /// Adds a metric with one sample and no labels.
    pub(super) fn single(&mut self, metric: Metric, value: f64) {
        self.add(Family::of(metric).with(&[], value));
    }

    /// Adds a metric; without any sample it is left out, as the text format demands.
    pub(super) fn add(&mut self, family: Family) {
        let Family { metric, samples } = family;
        if samples.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(metric.name.to_owned());
        family.set_help(metric.help.to_owned());
        family.set_field_type(match metric.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram => MetricType::HISTOGRAM,
        });
        family.set_metric(samples);
        self.0.push(family);
    }

    /// Adds what another collector gathered.
    pub(super) fn extend(&mut self, families: Vec<MetricFamily>) {
        self.0.extend(families);
    }

    pub(super) fn as_slice(&self) -> &[MetricFamily] {
        &self.0
    }
}

impl Family {
    pub(super) const fn of(metric: Metric) -> Self {
        Self {
            metric,
            samples: Vec::new(),
        }
    }

    pub(super) fn with(mut self, labels: Labels<'_>, value: f64) -> Self {
        self.push(labels, value);
        self
    }

    /// Adds a sample of a counter or a gauge.
    pub(super) fn push(&mut self, labels: Labels<'_>, value: f64) {
        let mut sample = labelled(labels);
        match self.metric.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                sample.set_counter(counter);
            }
            Kind::Gauge | Kind::Histogram => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                sample.set_gauge(gauge);
            }
        }
        self.samples.push(sample);
    }

    /// Adds a sample of a histogram.
    pub(super) fn push_buckets(&mut self, labels: Labels<'_>, buckets: &Buckets) {
        let bucket = |(bound, count): (std::time::Duration, u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound.as_secs_f64());
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.cumulative().map(bucket).collect());
        histogram.set_sample_count(buckets.count());
        histogram.set_sample_sum(buckets.sum().as_secs_f64());
        let mut sample = labelled(labels);
        sample.set_histogram(histogram);
        self.samples.push(sample);
    }
}

fn labelled(labels: Labels<'_>) -> Sample {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Sample::from_label(labels.iter().map(pair).collect())
}
