//! Columns of several rows, as parameters.

/// One value of each row.
pub(crate) fn column<'rows, Row, Value>(rows: &'rows [Row], value: impl Fn(&'rows Row) -> Value) -> Vec<Value> {
    rows.iter().map(value).collect()
}
