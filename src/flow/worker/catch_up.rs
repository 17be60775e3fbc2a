//! How a channel catches up with what its fallback was sent: in one message about everything, composed when it is sent.

use jiff::Timestamp;

use crate::domain::digest::MOST;
use crate::domain::event::{DeliveryId, Kind};
use crate::domain::pace::PermitId;
use crate::flow::worker::ChannelWorker;

/// So many are looked at, because quiet hours may hold the earliest of them.
const LOOK_AT: usize = 20 * MOST;

impl ChannelWorker {
    /// Starts one message about all that the channel is to catch up with, the oldest first, whether each is due by itself or
    /// not. `due`: those of them that are. What was refused before is composed anew.
    pub(super) async fn catch_up(&mut self, due: &[DeliveryId], permit_id: PermitId, probes: u32, now: Timestamp) {
        let Some(mut all) = self.to_catch_up(due, now).await else {
            return self.permit(permit_id).give_back();
        };
        let is_of_one_order = all.iter().all(|(_, order)| order.is_some() && *order == all[0].1);
        // The last one leads: of one order the newest, else the oldest, so that whatever has no room is newer.
        if !is_of_one_order && !all.is_empty() {
            all.rotate_left(1);
        }
        self.start(all.into_iter().map(|(id, _)| id).collect(), self.permit(permit_id), probes).await;
    }

    async fn to_catch_up(&self, due: &[DeliveryId], now: Timestamp) -> Option<Vec<(DeliveryId, Option<String>)>> {
        let (store, name) = (&self.context.store, &self.channel.name);
        let waiting = async || match store.to_catch_up(name, LOOK_AT).await {
            Ok(found) => {
                let may_go = found.into_iter().filter(|(id, kind, _)| self.may_go(*id, kind, now));
                Some(may_go.take(MOST).collect::<Vec<_>>())
            }
            Err(error) => {
                tracing::error!(channel = name, %error, "what the channel is to catch up with cannot be read");
                None
            }
        };
        let messages = due.iter().copied().chain(waiting().await?.into_iter().map(|(id, ..)| id)).collect();
        if let Err(error) = store.dissolve(messages).await {
            tracing::error!(channel = name, %error, "that messages are composed anew could not be stored");
            return None;
        }
        Some(waiting().await?.into_iter().map(|(id, _, order)| (id, order)).collect())
    }

    fn may_go(&self, id: DeliveryId, kind: &Kind, now: Timestamp) -> bool {
        let quiet = self.channel.settings.quiet.as_ref();
        let is_held = quiet.is_some_and(|quiet| quiet.holds(kind, now, &self.channel.settings.timezone.zone).is_some());
        !is_held && !self.is_under_way(id) && !self.unreadable.contains(&id)
    }
}
