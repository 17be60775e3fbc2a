//! Of what the intake meets, what the operator is notified of.

use std::sync::PoisonError;

use jiff::Timestamp;

use crate::domain::data::Notice;
use crate::domain::route::UndecidedCondition;
use crate::flow::intake::Intake;
use crate::flow::notice::Topic;
use crate::flow::routing::RoutingSnapshot;
use crate::platform::Refusal;

impl Intake {
    /// A refusal that may mean that genuine webhooks are lost.
    pub(super) async fn tell_operator(&self, name: &str, refusal: &Refusal, address: &str, now: Timestamp) {
        match refusal {
            Refusal::Stale { off_by_seconds } => {
                let notice = Notice { off_by_seconds: Some(*off_by_seconds), ..Notice::default() };
                self.notices.say(Topic::Clock, name, notice, now).await;
            }
            Refusal::Signature => {
                self.notices.notify(Topic::Refused, name, format!("checked against {address}"), now).await
            }
            Refusal::AnotherApp(app_id) => {
                self.notices.notify(Topic::Application, name, format!("it names application {app_id}"), now).await
            }
            Refusal::Token => self.notices.notify(Topic::Token, name, format!("received at {address}"), now).await,
            Refusal::Encoding(coding) => self.notices.notify(Topic::Encoding, name, (*coding).to_owned(), now).await,
            _ => {}
        }
    }

    /// Once per route, because a condition that fails for one event fails for the next one too.
    pub(super) async fn say_unjudged(
        &self,
        routing: &RoutingSnapshot,
        rule: UndecidedCondition,
        kind: &str,
        now: Timestamp,
    ) {
        let UndecidedCondition { route, condition, reason } = rule;
        let fresh = {
            let mut said = routing.unjudged.lock().unwrap_or_else(PoisonError::into_inner);
            said.insert((route, condition.clone()))
        };
        if fresh {
            self.notices.notify(Topic::Condition, &condition, format!("route {route}, {kind}: {reason}"), now).await;
        }
    }
}
