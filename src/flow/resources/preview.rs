//! What was sent as its reader saw it, for people who look at a delivery: also where its channel has left the configuration.

use serde::Serialize;
use uuid::Uuid;

use crate::channel::kinds;
use crate::domain::event::DeliveryId;
use crate::domain::message::Part;
use crate::domain::preview::{Preview, PreviewContent};
use crate::flow::resources::delivery::PartDetail;
use crate::flow::resources::{ResourceError, Resources};
use crate::store::queue::pending::form_text;

/// A part as its reader sees it, or several that show the same: a mail goes to each recipient by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartPreview {
    /// From 1.
    pub parts: Vec<u32>,
    pub form: String,
    pub preview: Preview,
}

/// The parts of a stored message, those that show the same as one. Mails with what is enclosed take a while to read, so no
/// thread of the runtime does it.
pub async fn of_stored(parts: Vec<PartDetail>) -> Result<Vec<PartPreview>, ResourceError> {
    let work = move || merged(parts.iter().map(|part| (part.part, part.form.as_str(), part.body.as_str())));
    tokio::task::spawn_blocking(work).await.map_err(|_| ResourceError::internal())
}

/// The parts of a message that was composed just now.
pub fn of_composed(parts: &[Part]) -> Vec<PartPreview> {
    let forms: Vec<String> = parts.iter().map(|part| form_text(part.form)).collect();
    merged(parts.iter().zip(&forms).map(|(part, form)| (u32::from(part.index) + 1, form.as_str(), part.body.as_str())))
}

fn merged<'a>(parts: impl Iterator<Item = (u32, &'a str, &'a str)>) -> Vec<PartPreview> {
    let mut previews: Vec<PartPreview> = Vec::new();
    for (part, form, body) in parts {
        let mut preview = kinds::preview(body);
        let to = std::mem::take(&mut preview.to);
        let same = |known: &&mut PartPreview| {
            known.form == form && Preview { to: Vec::new(), ..known.preview.clone() } == preview
        };
        match previews.iter_mut().find(same) {
            Some(known) => {
                known.parts.push(part);
                known.preview.to.extend(to);
            }
            None => {
                let preview = Preview { to, ..preview };
                previews.push(PartPreview { parts: vec![part], form: form.to_owned(), preview });
            }
        }
    }
    previews
}

impl Resources {
    /// The page of a stored mail, for a frame of its own: of the so many-th of [`of_stored`]'s previews, from 0.
    pub async fn mail_page(&self, delivery: Uuid, at: usize) -> Result<String, ResourceError> {
        let missing = || ResourceError::Missing("such page of a mail".to_owned());
        let sent = self.store.sent(DeliveryId(delivery)).await?.ok_or_else(missing)?;
        let parts: Vec<PartDetail> = sent.parts.into_iter().map(PartDetail::from).collect();
        let preview = of_stored(parts).await?.into_iter().nth(at).ok_or_else(missing)?.preview;
        match preview.content {
            PreviewContent::Page { html, .. } => Ok(html),
            _ => Err(missing()),
        }
    }
}
