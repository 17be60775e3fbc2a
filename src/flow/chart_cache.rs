//! The pictures of reports for readers that fetch them: drawn when they are asked for, by names that nobody can guess, as long
//! as these last.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::picture::theme::Theme;
use crate::domain::template::Templates;
use crate::flow::render::report;
use crate::flow::routing::RoutingSnapshot;
use crate::flow::{Clock, Current};
use crate::store::Store;

/// So many are kept in memory, the newest: a group's members ask for the same one.
const KEPT: usize = 8;
/// Digits of a token.
const TOKEN: usize = 32;

/// What has pictures.
pub struct ChartCache {
    store: Arc<dyn Store>,
    templates: Current<Templates>,
    routing: Current<RoutingSnapshot>,
    clock: Clock,
    /// By name.
    kept: Mutex<VecDeque<(String, Arc<[u8]>)>>,
}

impl ChartCache {
    pub fn new(
        store: Arc<dyn Store>,
        templates: Current<Templates>,
        routing: Current<RoutingSnapshot>,
        clock: Clock,
    ) -> Self {
        Self { store, templates, routing, clock, kept: Mutex::default() }
    }

    /// The picture of a name: a token, and behind a hyphen the language of its words. `None` where there is none, or none any
    /// more.
    pub async fn picture(&self, name: &str) -> Option<Arc<[u8]>> {
        let (token, language) = match name.split_once('-') {
            Some((token, language)) => (token, Some(language)),
            None => (name, None),
        };
        let is_token = token.len() == TOKEN && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_token {
            return None;
        }
        // Also for those in memory: its time may be over.
        let event = self.store.pictured(token, self.clock.now()).await.ok()??;
        if let Some((_, picture)) = self.kept().iter().find(|(known, _)| known == name) {
            return Some(picture.clone());
        }
        let templates = self.templates.get();
        if language.is_some_and(|language| !templates.languages().iter().any(|known| known == language)) {
            return None;
        }
        let language = language.map_or_else(|| self.routing.get().language.clone(), str::to_owned);
        let drawing = tokio::task::spawn_blocking(move || {
            report::drawn(event.data.report()?, &templates, &language, Theme::Light)
                .map_err(|error| {
                    tracing::error!(%error, "the picture of a report cannot be drawn");
                })
                .ok()
        });
        let picture: Arc<[u8]> = drawing.await.ok()??.into();
        let mut kept = self.kept();
        kept.push_front((name.to_owned(), picture.clone()));
        kept.truncate(KEPT);
        Some(picture)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, Arc<[u8]>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
