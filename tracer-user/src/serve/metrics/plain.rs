//! OpenMetrics as Prometheus' older text format (0.0.4), for clients that read nothing else.
//!
//! The samples are the same. What differs are the lines before them: there a metric has the name of its samples, and
//! neither units nor an end of the text are known.

/// `text` is what [`super::openmetrics`] made: of each metric its help, then its type.
pub(in crate::serve) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|typed| typed.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                _ => ("", kind),
            };
            if let Some((_, help)) = help.take() {
                out.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            out.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with("# ") {
            out.extend([line, "\n"]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_infos_are_described_by_the_names_of_their_samples() {
        let text = "# HELP a_b_seconds Time # of b.\n# TYPE a_b_seconds counter\n# UNIT a_b_seconds seconds\n\
                    a_b_seconds_total{x=\"# HELP\"} 1.5\n# HELP c C.\n# TYPE c info\nc_info{v=\"1\"} 1\n# EOF\n";
        let expected = "# HELP a_b_seconds_total Time # of b.\n# TYPE a_b_seconds_total counter\n\
                        a_b_seconds_total{x=\"# HELP\"} 1.5\n# HELP c_info C.\n# TYPE c_info gauge\nc_info{v=\"1\"} 1\n";
        assert_eq!(plain(text), expected);
    }
}
