//! The parameters of objectives: keys beside the limits, each read by the objective that it belongs to.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Result;

/// A parameter: its key among the constraints, and how its value is read. Several objectives may have the same one.
pub(crate) struct Parameter<T> {
    /// The key.
    pub(crate) key: &'static str,
    /// Reads and validates a value; the key is for its errors.
    pub(crate) read: fn(&'static str, &Value) -> Result<T>,
}

/// A parameter of any type, as the list of an objective's has it.
pub trait Key: Sync {
    /// The key among the constraints.
    fn key(&self) -> &'static str;

    /// Fails for a value that cannot be read.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] or [`crate::Error::UnknownName`].
    fn check(&self, value: &Value) -> Result<()>;
}

impl<T> Key for Parameter<T> {
    fn key(&self) -> &'static str {
        self.key
    }

    fn check(&self, value: &Value) -> Result<()> {
        (self.read)(self.key, value).map(drop)
    }
}

/// The values that a caller gave, as JSON.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters(BTreeMap<&'static str, Value>);

impl Parameters {
    /// Takes a value, if it can be read.
    pub(crate) fn insert(&mut self, key: &dyn Key, value: &Value) -> Result<()> {
        key.check(value)?;
        self.0.insert(key.key(), value.clone());
        Ok(())
    }

    /// The value of a parameter; `None` where it was not given.
    pub(crate) fn get<T>(&self, parameter: &Parameter<T>) -> Result<Option<T>> {
        self.0.get(parameter.key).map(|value| (parameter.read)(parameter.key, value)).transpose()
    }

    /// The value of a parameter that an objective cannot do without; `example` is one.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] where it was not given.
    pub(crate) fn require<T>(&self, parameter: &Parameter<T>, example: f64) -> Result<T> {
        let key = parameter.key;
        self.get(parameter)?.ok_or_else(|| {
            let expected = format!("a number: constraints => '{{\"{key}\": {example}}}'");
            crate::input::invalid(key, "none", expected)
        })
    }
}
