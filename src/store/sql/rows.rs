//! How our words stand in columns: as JSON, as text that is parsed, and packed.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;

use crate::store::recording::packed::{self, Unpacked};
use crate::store::sql::{Error, Result, Row};

impl Row<'_> {
    /// A text that is parsed.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn parsed<T: FromStr<Err: Display>>(&self, column: usize) -> Result<T> {
        self.get::<&str>(column)?.parse().map_err(|error| unreadable(column, error))
    }

    /// A text that is JSON, or its default where there is none.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn json_or_default<T: DeserializeOwned + Default>(&self, column: usize) -> Result<T> {
        let text: Option<&str> = self.get(column)?;
        text.map_or(Ok(T::default()), |text| serde_json::from_str(text).map_err(|error| unreadable(column, error)))
    }

    /// The first part of a frame, JSON.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn packed<T: DeserializeOwned>(&self, column: usize) -> Result<T> {
        part(column, &self.unpacked(column)?, 0)
    }

    /// A frame.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn unpacked(&self, column: usize) -> Result<Unpacked> {
        packed::unpack(self.get(column)?).map_err(|error| unreadable(column, error))
    }
}

/// A part of the frame in a column, JSON.
pub fn part<T: DeserializeOwned>(column: usize, unpacked: &Unpacked, number: usize) -> Result<T> {
    serde_json::from_slice(unpacked.part(number)).map_err(|error| unreadable(column, error))
}

pub fn unreadable(column: usize, error: impl Display) -> Error {
    Error::Unreadable { column, reason: error.to_string() }
}
