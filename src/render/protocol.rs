//! What the daemon and the process that renders say to each other: JSON, each piece behind its length.

use std::io;
use std::io::{Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::language::folders::Sources;
use crate::domain::template::fault::ComposeError;
use crate::domain::template::isolated::RenderJob;

/// More than the largest folder of templates takes, however it is escaped.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
pub enum RenderRequest {
    /// The merchant's files, before all else.
    Load(Sources),
    Render(RenderJob),
}

#[derive(Debug, Serialize, Deserialize)]
pub enum RenderAnswer {
    /// Its limits are in force; it listens.
    Ready,
    /// This file is parsed next: if nothing more comes, it was this one.
    Reading(String),
    /// What does not parse.
    Loaded(Vec<ComposeError>),
    Rendered(Result<String, ComposeError>),
}

/// A message as it travels.
pub fn packed<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = u32::try_from(bytes.len() - 4).map_err(io::Error::other)?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// How long the message behind these four bytes is.
pub fn length(head: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(head) as usize;
    match length <= MAX_BYTES {
        true => Ok(length),
        false => Err(io::Error::other("a message of that length is no message")),
    }
}

pub fn unpacked<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(io::Error::other)
}

/// Reads one message; `None` when the other side has ended.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut bytes = vec![0; length(head)?];
    from.read_exact(&mut bytes)?;
    unpacked(&bytes).map(Some)
}

pub fn write<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    to.write_all(&packed(message)?)?;
    to.flush()
}
