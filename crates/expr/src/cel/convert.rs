//! From JSON to CEL values, within limits.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use serde_json::Value;

use super::{LIST_MAX, TEXT_MAX_BYTES, VALUES_MAX};

/// What may still be converted for one evaluation.
pub(super) struct Budget {
    values_left: usize,
    list_max: usize,
}

impl Budget {
    /// A budget for an expression whose comprehensions nest so deep: the deeper, the shorter the lists, so that the work
    /// stays within some [`LIST_MAX`] squared steps.
    pub(super) fn new(comprehension_depth: usize) -> Self {
        Self { values_left: VALUES_MAX, list_max: if comprehension_depth == 0 { VALUES_MAX } else { LIST_MAX } }
    }

    /// Converts a value; the message says what is too much.
    pub(super) fn convert(&mut self, value: &Value) -> Result<cel::Value, String> {
        self.values_left =
            self.values_left.checked_sub(1).ok_or_else(|| format!("has more than {VALUES_MAX} values in it"))?;
        Ok(match value {
            Value::Null => cel::Value::Null,
            Value::Bool(value) => cel::Value::Bool(*value),
            Value::Number(number) => convert_number(number),
            Value::String(text) => cel::Value::String(text_within(text)?),
            Value::Array(items) => {
                self.check_list(items.len())?;
                let items = items.iter().map(|item| self.convert(item)).collect::<Result<Vec<_>, _>>()?;
                cel::Value::List(Arc::new(items))
            }
            Value::Object(members) => {
                self.check_list(members.len())?;
                let mut map = HashMap::with_capacity(members.len());
                for (name, value) in members {
                    map.insert(Key::String(text_within(name)?), self.convert(value)?);
                }
                cel::Value::Map(Map { map: Arc::new(map) })
            }
        })
    }

    fn check_list(&self, length: usize) -> Result<(), String> {
        if length > self.list_max {
            return Err(format!("has a list or object of {length} items; at most {} are looked at", self.list_max));
        }
        Ok(())
    }
}

fn text_within(text: &str) -> Result<Arc<String>, String> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(format!("has a text of {} bytes; at most {TEXT_MAX_BYTES} are looked at", text.len()));
    }
    Ok(Arc::new(text.to_owned()))
}

fn convert_number(number: &serde_json::Number) -> cel::Value {
    if let Some(integer) = number.as_i64() {
        cel::Value::Int(integer)
    } else if let Some(integer) = number.as_u64() {
        cel::Value::UInt(integer)
    } else {
        cel::Value::Float(number.as_f64().unwrap_or(f64::NAN))
    }
}
